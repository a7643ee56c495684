"""What can go wrong, named for what went wrong; no protocol is known here.

    FashionError                        raised on purpose; its text is one sentence for the user
    ├── SettingsError                   a setting is unknown or has a bad value; nothing was started
    │   └── FlagError                   the bad value was given by a flag of the command line
    ├── DataError                       the data set is at hand but cannot be used as it is
    │   └── DataNotFoundError           the data set is nowhere to be found (says how to get it)
    ├── ModelError                      the `.h5` or its manifest cannot be served (says which, and why)
    │   ├── IncompleteModelError        a part of it is missing or of another model, perhaps still to be written
    │   ├── UncompiledModelError        it has no compiled form, and nothing here can build it
    │   ├── OtherModelError             it cannot take the place of the model in force (says what differs)
    │   └── DamagedModelError           its compiled form cannot be loaded
    ├── TrainingError                   training cannot start or go on
    ├── RequestError                    the caller's request cannot be answered as it is
    │   ├── InvalidRequestError         something in it is wrong (says each place)
    │   ├── UnknownModelError           no model has this name and version
    │   ├── UnknownTestImageError       no test image has that index
    │   ├── UnauthenticatedError        it has no valid API key
    │   ├── UnsupportedMediaTypeError   its body is of a type that is not read
    │   │   └── UnsupportedCodingError  its body has a content coding that is not read
    │   ├── MalformedRequestError       it does not follow its protocol, so that its end is unknown
    │   ├── HeadTooLargeError           its head is larger than what is accepted
    │   ├── HeadTimeoutError            its head did not arrive in time
    │   ├── BodyTooLargeError           its body is larger than what is accepted
    │   └── BodyTimeoutError            its body did not arrive in time
    ├── ImageError                      one picture or array of the caller cannot be classified
    │   ├── UnsupportedImageError       its file type is not one that is read
    │   └── InvalidImageError           it is broken, or has a wrong value
    │       └── WrongSizeError          it is of another size than the model takes
    ├── UnavailableError                the service cannot answer now; the same request may succeed later
    │   ├── NotReadyError               it is starting or stopping
    │   ├── OverloadedError             it has no room for the request
    │   ├── RateLimitedError            this client has asked for too much
    │   ├── PendingError                what is asked for is still being computed
    │   └── DeadlineExceededError       there was no answer within the request's time
    └── EngineError                     the model failed on these images

Each carrier maps them to its own protocol: HTTP in `fashion_api.rest.problems`; the command line prints any of them as
one line.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_FAULTS = 20
"""The most faults of one request that are described."""


class FashionError(Exception):
    """The base of all errors raised on purpose; `str()` of it is one sentence for the user."""


class SettingsError(FashionError):
    """A setting is unknown or has a bad value."""


class FlagError(SettingsError):
    """A setting has a bad value, which was given by a flag of the command line."""


class DataError(FashionError):
    """The data set is there, but a file of it is broken, altered or of the wrong shape."""


class DataNotFoundError(DataError):
    """The data set was not found in any of the places searched."""


class ModelError(FashionError):
    """The model's file or its manifest cannot be served."""

    version: str | None = None
    """The version of the `.h5`, where that could be read."""


class IncompleteModelError(ModelError):
    """The `.h5` is missing, or it and its manifest do not agree; they may be in the midst of being exchanged."""


class UncompiledModelError(ModelError):
    """The model has no compiled form, and TensorFlow, which builds it, is not installed."""


class OtherModelError(ModelError):
    """The model answers otherwise than the one in force, so that callers would have to know."""


class DamagedModelError(ModelError):
    """The compiled form of a model cannot be loaded; it can be built anew."""


class TrainingError(FashionError):
    """Training cannot start or go on."""


class RequestError(FashionError):
    """The caller's request cannot be answered as it is; the same request will fail again."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a request."""

    where: str
    """The part of the request, as in `images[0][3][27]`; empty for all of it."""
    message: str
    """What is wrong with it, and what is accepted."""


def summarise_faults(faults: Sequence[Fault]) -> str:
    """Say in one sentence what is wrong; there is at least one fault."""
    first = f"{faults[0].where}: {faults[0].message}" if faults[0].where else faults[0].message
    if len(faults) == 1:
        return first
    return f"{first} (and {len(faults) - 1} more)" if len(faults) < MAX_FAULTS else f"{first} (and more)"


class InvalidRequestError(RequestError):
    """Something in a request is wrong; `faults` has each place."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(summarise_faults(faults))
        self.faults = tuple(faults[:MAX_FAULTS])


class UnknownModelError(RequestError):
    """No model has this name and version."""


class UnknownTestImageError(RequestError):
    """No test image has this index."""


class UnauthenticatedError(RequestError):
    """The request has no valid API key."""


class UnsupportedMediaTypeError(RequestError):
    """The body is of a type that is not read."""


class UnsupportedCodingError(UnsupportedMediaTypeError):
    """The body has a content coding that is not read."""


class MalformedRequestError(RequestError):
    """The request does not follow its protocol, so that nobody knows where it ends."""


class HeadTooLargeError(RequestError):
    """The head is larger than what is accepted."""


class HeadTimeoutError(RequestError):
    """The head did not arrive within the time that it is given."""


class BodyTooLargeError(RequestError):
    """The body is larger than what is accepted."""


class BodyTimeoutError(RequestError):
    """The body did not arrive within the request's time."""


class ImageError(FashionError):
    """A picture or array from a caller cannot be classified."""


class UnsupportedImageError(ImageError):
    """The file is of no picture type that is read."""


class InvalidImageError(ImageError):
    """The picture is broken or of the wrong size, or the array has a wrong shape or value."""


class WrongSizeError(InvalidImageError):
    """The picture has another size than the model takes; it could be prepared."""


class UnavailableError(FashionError):
    """The service cannot answer now; the same request may succeed later."""


class NotReadyError(UnavailableError):
    """The service is starting or stopping."""


class OverloadedError(UnavailableError):
    """The service has no room for the request; nothing of it was taken in."""


@dataclass(frozen=True)
class Quota:
    """What a client may ask for, and what is left of it."""

    images: int
    """In a window of time."""
    window_s: int
    remaining: int
    """Images that are left."""
    reset_s: int
    """Seconds until there is one more."""


class RateLimitedError(UnavailableError):
    """The client has asked for more than one client may; `quota` says how much that is."""

    def __init__(self, message: str, quota: Quota) -> None:
        super().__init__(message)
        self.quota = quota


class PendingError(UnavailableError):
    """What is asked for is being computed in the background; the text says how far that has come."""


class DeadlineExceededError(UnavailableError):
    """The answer was not there within the request's time."""


class EngineError(FashionError):
    """The model failed on these images; the cause is logged and never shown to the caller."""


def forget_frames(error: BaseException) -> None:
    """Have an error that was answered keep nothing of its request.

    Its traceback has the frames that it passed, and one of them may hold the future that gave it: until Python collects
    garbage, the two keep each other, and the request's body.
    """
    links = [error]
    for link in links:
        link.__traceback__ = None
        others = (link.__cause__, link.__context__, *getattr(link, "exceptions", ()))
        links += [other for other in others if other is not None and all(other is not known for known in links)]
