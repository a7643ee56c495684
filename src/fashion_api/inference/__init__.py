"""From an array of images to predictions: nothing here knows of HTTP."""
