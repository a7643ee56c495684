"""The messages of `tensorflow.proto`."""

from fashion_api.rpc.messages import list_names

globals().update(list_names(__name__))
