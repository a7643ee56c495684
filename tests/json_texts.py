"""JSON that a caller may write, as text: what Python's own values cannot express is in it too."""

import json

from hypothesis import strategies as st

_ODD = (
    "9" * 400,  # too large for a float
    "-" + "9" * 400,
    "9" * 5000,  # Python converts no such number
    "1e400",
    "-1e-400",
    "0." + "1" * 400,
    "1.0",
    "-0",
    "NaN",
    "-Infinity",
    '"\\ud800"',  # half a surrogate pair
    '"\\u0000"',
    '"\\udfff\\ud800"',
    "[" * 300 + "]" * 300,
    '{"a":' * 300 + "1" + "}" * 300,
    '{"a": 1, "a": 2}',
    '{"__proto__": null, "": 0}',
    "0x10",  # no JSON from here on
    "01",
    "'a'",
    "[1,]",
    "\x00",
    "\ufeff1",
    "",
)
_MOST_CHARACTERS = 100_000
_STRINGS = st.text(max_size=40).map(json.dumps)
_SCALARS = (
    st.sampled_from(_ODD)
    | _STRINGS
    | st.integers().map(str)
    | st.integers(-1, 256).map(str)
    | st.floats().map(json.dumps)
    | st.sampled_from(["null", "true", "false"])
)


def _extend(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(_STRINGS, values).map(":".join)
    return (
        st.lists(values, max_size=30).map(lambda items: f"[{','.join(items)}]")
        | st.lists(pairs, max_size=10).map(lambda items: f"{{{','.join(items)}}}")
        | st.tuples(values, st.sampled_from([28, 784])).map(lambda drawn: _repeat(*drawn))
    )


def _repeat(text: str, count: int) -> str:
    """Give a list of the same value, if that stays short."""
    times = count if len(text) * count < _MOST_CHARACTERS else 1
    return f"[{','.join([text] * times)}]"


JSON_TEXTS = st.recursive(_SCALARS, _extend, max_leaves=12)
"""Any JSON value, and some texts that are none."""
