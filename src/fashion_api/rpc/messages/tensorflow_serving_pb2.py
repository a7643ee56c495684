"""The messages of `tensorflow_serving.proto`."""

from fashion_api.rpc.messages import list_names

globals().update(list_names(__name__))
