"""The service: one model in force, with its batcher, its test set and its limits."""

from dataclasses import dataclass

from fashion_api.data.dataset import Split
from fashion_api.errors import DataError
from fashion_api.inference.loading import LoadedModel
from fashion_api.service.batcher import Batcher
from fashion_api.service.decoder import Decoder
from fashion_api.service.limits import BodyMemory, RequestLimit
from fashion_api.settings import Settings


@dataclass
class Service:
    """What all requests share. A request takes hold of one service and is answered by it to the end."""

    settings: Settings
    model: LoadedModel
    batcher: Batcher
    test_set: Split | DataError
    """The test images, or why there are none."""
    decoder: Decoder
    preparer: Decoder
    """Prepares pictures of any size, one after the other; that takes longer than the decoder's turns."""
    body_memory: BodyMemory
    request_limit: RequestLimit
    is_draining: bool = False

    def get_test_set(self) -> Split:
        """Give the test set.

        Raises:
            DataError: there is none.
        """
        if isinstance(self.test_set, DataError):
            raise self.test_set
        return self.test_set

    def drain(self) -> None:
        """Be not ready from now on; requests are still answered."""
        self.is_draining = True

    async def aclose(self) -> None:
        """Finish what was taken in, and end the threads."""
        self.drain()
        await self.decoder.aclose()
        await self.preparer.aclose()
        await self.batcher.aclose()
