"""The first test image of Fashion-MNIST (an ankle boot), for examples that work when they are tried.

Fashion-MNIST is © 2017 Zalando SE, MIT licence.
"""

import base64
from typing import Final

from fashion_api.pictures.decoding import decode_image

IMAGE_BASE64: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAABwAAAAcCAAAAABXZoBIAAABUElEQVR42t3Su0rDYBgG4Pf78ydpDk0roQcVPAylaJFOoljciu7i"
    "4uCiixfgfQkOTl6Bo5Pgoqhoiya2aWqb/AcHQdA70G98H953+oB/fQYBNhoA+xETw/y+JzUwxd5vhMJ25xgAqocJwH8OivWVXuMs"
    "cu7D4PFXkwlvnwpFYtTKY/6NBEYwFE56L06hJ1WaWYH3hQQNpQ2Jg/rLqPzWz7kJ5jW+UINxgsRR+yEsO8OiGueksQsOMGhSCpjb"
    "c259O8y0CzmVqeqAG1IBGpWl5mw2LAemrRbN91yxDyNpcYnaouc5y24+YiVHuOOp9VxyY38mrYcc3TlRMaRI/DrZMfONdDSoArFy"
    "bMF3jm+eE5YZlFiqSI4y67VViyF1J6M+v9pc60AkUTSwKGy6gW5f33VtDfE0LBIAf6O5VQk80iq6ubyYAOcLr0kipqd/65k+AWKC"
    "ff9NOm1OAAAAAElFTkSuQmCC"
)
IMAGE_PNG: Final = base64.b64decode(IMAGE_BASE64)
IMAGE_ROWS: Final[list[list[int]]] = decode_image(IMAGE_PNG, height=28, width=28).tolist()
