"""Asks with `requests` as the tutorial for Fashion-MNIST in TensorFlow Serving's manual does. Usage: see served.py.

Three rows of floats of 0–1 go to the model, and to its version 1; what is said of it is read.
"""

import json

import numpy as np
import requests
from served import Served, report

ROWS = 3


def write(served: Served) -> str:
    test_images = served.images / 255.0
    return json.dumps({"signature_name": "serving_default", "instances": test_images[0:ROWS].tolist()})


def classify(served: Served) -> None:
    """The newest version, and a certain one."""
    for path in (f"/v1/models/{served.model}:predict", f"/v1/models/{served.model}/versions/1:predict"):
        headers = {"content-type": "application/json"}
        answer = requests.post(f"{served.url}{path}", data=write(served), headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        predictions = json.loads(answer.text)["predictions"]
        served.hold_against(predictions)
        assert np.argmax(predictions, axis=1).tolist() == served.probabilities[:ROWS].argmax(axis=1).tolist()


def read_status_and_metadata(served: Served) -> None:
    """The model's state, and its signatures."""
    answer = requests.get(f"{served.url}/v1/models/{served.model}", timeout=60).json()
    assert [(each["version"], each["state"]) for each in answer["model_version_status"]] == [("1", "AVAILABLE")]
    answer = requests.get(f"{served.url}/v1/models/{served.model}/metadata", timeout=60).json()
    assert answer["model_spec"]["name"] == served.model
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    (taken,), (given,) = signature["inputs"].values(), signature["outputs"].values()
    assert (taken["dtype"], given["dtype"]) == ("DT_FLOAT", "DT_FLOAT")
    assert [each["size"] for each in taken["tensor_shape"]["dim"]] == ["-1", *map(str, served.images.shape[1:])]


if __name__ == "__main__":
    report((check.__name__, check) for check in (classify, read_status_and_metadata))
