"""What a model is made of, and how it shows itself."""

import numpy as np
import pytest

from fwdad import data, nn


@pytest.mark.parametrize("name", ["convnet", "resnet18", "vit"])
def test_rows_add_up_to_the_model(name):
    model = nn.MODELS[name]((3, 32, 32), 10, seed=0)
    found = nn.summary(model, (2, 3072), k=3)
    assert found.parameters == model.parameters
    assert sum(row.parameters for row in found.rows) <= model.parameters
    assert found.rows[-1].output == (2, 10)
    assert all(row.tangents == 3 * np.prod(row.output) * 4 for row in found.rows)
    assert found.tangents == max(row.tangents for row in found.rows)
    assert len({len(line.rstrip()) for line in str(found).splitlines()}) == 1


def test_a_layer_that_is_called_twice_has_two_rows():
    class Twice(nn.Module):
        layer: nn.Linear

        def __call__(self, x):
            return self.layer(self.layer(x))

    found = nn.summary(Twice(nn.Linear(4, 4)), (5, 4))
    assert [row.name for row in found.rows] == ["layer", "layer"]
    assert found.parameters == 20


def test_large_things_show_themselves_in_a_line():
    resnet = nn.MODELS["resnet18"]((3, 32, 32), 10, seed=0)
    assert len(repr(resnet)) < 250
    assert repr(resnet).endswith("11,181,642 parameters)")
    assert repr(data.load("digits")) == (
        "Dataset('digits', train=1,197, validation=300, test=300, shape=(1, 8, 8), classes=10)"
    )
