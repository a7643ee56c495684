"""What can go wrong, named for what went wrong.

    FashionError                    everything this package raises on purpose; its text is fit to be read by a user
    ├── SettingsError               a setting is unknown or has a bad value; nothing was started
    ├── DataError                   the data set is at hand but cannot be used as it is
    │   └── DataNotFoundError       the data set is nowhere to be found (says how to get it)
    ├── UnknownTestImageError       no test image has that index
    ├── UnknownLabelError           no class has that label
    ├── ModelError                  the `.h5` or its manifest cannot be served (says which, and why)
    │   └── DamagedModelError       its compiled form cannot be loaded
    ├── ImageError                  the caller's picture or array cannot be classified
    │   ├── UnsupportedImageError   its file type is not one that is read
    │   ├── InvalidImageError       a type that is read, but not a 28×28 picture, or broken
    │   └── InvalidImagesError      several are wrong, or the list of them is: says each place
    ├── TrainingError               training cannot start or go on
    └── ClassificationError         the caller's images are fine, but there is no answer
        ├── OverloadedError         the queue is full: try again later
        ├── DeadlineExceededError   no answer within the request's time
        ├── ShuttingDownError       the service takes nothing more
        └── EngineError             the model failed on these images

What each becomes as an HTTP response is said in one place, `fashion_api.errors`; the command line prints any of them
as one line.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_FAULTS = 20
"""How many faults of one request are described."""


class FashionError(Exception):
    """The base of all errors raised on purpose; `str()` of it is one sentence for the user."""


class SettingsError(FashionError):
    """A setting is unknown or has a bad value."""


class DataError(FashionError):
    """The data set is there, but a file of it is broken, altered or of the wrong shape."""


class DataNotFoundError(DataError):
    """The data set was not found in any of the places looked in."""


class UnknownTestImageError(FashionError):
    """No test image has this index."""


class UnknownLabelError(FashionError):
    """No class has this label."""


class ModelError(FashionError):
    """The model's file or its manifest cannot be served."""


class DamagedModelError(ModelError):
    """The compiled form of a model cannot be loaded; it can be built anew."""


class ImageError(FashionError):
    """A picture or array from a caller cannot be classified."""


class UnsupportedImageError(ImageError):
    """The file is of no picture type that is read."""


class InvalidImageError(ImageError):
    """The picture is broken or of the wrong size, or the array has a wrong shape or value."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a caller's images."""

    where: str
    """Which part of what was sent, as in `images[0][3][27]`."""
    message: str
    """What is wrong with it, and what is accepted."""


def summarise_faults(faults: Sequence[Fault]) -> str:
    """Say in one sentence what is wrong; there is at least one fault."""
    first = f"{faults[0].where}: {faults[0].message}" if faults[0].where else faults[0].message
    if len(faults) == 1:
        return first
    return f"{first} (and {len(faults) - 1} more)" if len(faults) < MAX_FAULTS else f"{first} (and more)"


class InvalidImagesError(ImageError):
    """Something in a list of images is wrong."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(summarise_faults(faults))
        self.faults = tuple(faults[:MAX_FAULTS])


class TrainingError(FashionError):
    """Training cannot start or go on."""


class ClassificationError(FashionError):
    """The images are fine, but no answer could be given."""


class OverloadedError(ClassificationError):
    """More images are waiting than the queue holds."""


class DeadlineExceededError(ClassificationError):
    """The answer was not there within the request's time."""


class ShuttingDownError(ClassificationError):
    """The service is stopping and takes nothing more."""


class EngineError(ClassificationError):
    """The model failed on these images; the cause is logged and never shown to the caller."""
