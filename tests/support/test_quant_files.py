"""The files of quants that tests are made of."""

from modelsync.gguf.types import BY_NAME
from tests.support.quant_files import STORED


def test_the_type_of_a_quant_is_one_that_there_is() -> None:
    """The table of quants names types that tensors can have."""
    assert {*STORED.values()} <= {*BY_NAME}
