"""Projects whose models fit a machine or not."""

import pytest

from modelsync.project.project import Project
from tests.support.project import REPO, Place, put
from tests.support.quant_files import WORDS, quant

TWO = (
    f'[models.tiny]\nuri = "hf:{REPO}:Q2_K"\n[models.tiny.variants.server]\nuri = "hf:{REPO}:Q8_0"\n'
    f'[models.plain]\nuri = "hf:{REPO}:Q2_K"\n'
)


@pytest.fixture
def two(place: Place) -> Project:
    """A project of a model with a small and a large variant; nothing is locked."""
    put(place, {f"tiny-{name}.gguf": quant(name, vocabulary=WORDS[:200]) for name in ("Q2_K", "Q8_0")})
    return place.write(TWO)
