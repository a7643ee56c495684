"""The environment variables that Kubernetes and Docker make for the services around a container.

For a service called `fashion`, Kubernetes sets FASHION_SERVICE_HOST, FASHION_SERVICE_PORT, and the variables of
Docker's links, such as FASHION_PORT=tcp://10.0.0.11:80. They look like settings, but no operator has set them. See
https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables.
"""

import re

_ADDRESS = r"\[?[0-9A-Fa-f.:]+\]?"
_LINK_FORM = re.compile(
    r"[A-Z][A-Z0-9_]*_("
    rf"SERVICE_HOST={_ADDRESS}"
    r"|SERVICE_PORT(_[A-Z0-9_]+)?=\d+"
    rf"|PORT(_\d+_(TCP|UDP|SCTP))?=(tcp|udp|sctp)://{_ADDRESS}:\d+"
    r"|PORT_\d+_(TCP|UDP|SCTP)_PROTO=(tcp|udp|sctp)"
    r"|PORT_\d+_(TCP|UDP|SCTP)_PORT=\d+"
    rf"|PORT_\d+_(TCP|UDP|SCTP)_ADDR={_ADDRESS}"
    r")"
)


def is_service_link(name: str, value: str) -> bool:
    """Whether a variable has a name and a value that Kubernetes or Docker makes for a service."""
    return _LINK_FORM.fullmatch(f"{name}={value}") is not None
