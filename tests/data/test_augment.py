import numpy as np
import pytest

from fwdad.data import AUGMENTATIONS, Augmenter

N, SHAPE = 300, (2, 6, 5)
IMAGES = np.random.default_rng(0).standard_normal((N, 60)).astype(np.float32)
ROWS = np.arange(N)


def every_crop(image):
    """All 81 windows of an image (C, H, W) in its padded self, by (top, left)."""
    padded = np.zeros((2, 14, 13), np.float32)
    padded[:, 4:10, 4:9] = image
    return {(i, j): padded[:, i : i + 6, j : j + 5] for i in range(9) for j in range(9)}


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_every_image_is_one_of_the_possible_ones_and_all_of_them_come(kind):
    augmented = Augmenter(kind, N, SHAPE, seed=1)(IMAGES, ROWS, epoch=0)
    assert (augmented.shape, augmented.dtype) == (IMAGES.shape, np.float32)
    crops, mirrored = set(), 0
    for image, result in zip(IMAGES.reshape(N, *SHAPE), augmented.reshape(N, *SHAPE), strict=True):
        matches = [
            (place, flip)
            for place, crop in every_crop(image).items()
            for flip in (False, True)
            if np.array_equal(result, crop[..., ::-1] if flip else crop)
        ]
        assert len(matches) == 1
        crops.add(matches[0][0])
        mirrored += matches[0][1]
    assert len(crops) > 70 if "crop" in kind else crops == {(4, 4)}
    assert 110 < mirrored < 190 if "flip" in kind else mirrored == 0


def test_an_image_depends_on_seed_epoch_and_number_alone():
    whole = Augmenter("crop-flip", N, SHAPE, seed=3)
    expected = {epoch: whole(IMAGES, ROWS, epoch) for epoch in (0, 1)}
    other = Augmenter("crop-flip", N, SHAPE, seed=3)
    for epoch in (1, 0, 1):  # in another order, in parts
        rows = np.array([17, 250, 3])
        np.testing.assert_array_equal(other(IMAGES[rows], rows, epoch), expected[epoch][rows])
    assert not np.array_equal(expected[0], expected[1])
    assert not np.array_equal(Augmenter("crop-flip", N, SHAPE, seed=4)(IMAGES, ROWS, 0), expected[0])


def test_the_draws_never_change_with_a_version():
    # A resumed run relies on these very images; a change here breaks the checkpoints of augmented runs.
    image = np.arange(1, 26, dtype=np.float32).reshape(1, 25)
    seen = [Augmenter("crop-flip", 3, (1, 5, 5), seed=7)(image, np.array([i]), epoch=2) for i in range(3)]
    assert [int(s.sum()) for s in seen] == [63, 136, 310]


def test_the_originals_stay_as_they_are():
    before = IMAGES.copy()
    for kind in AUGMENTATIONS:
        Augmenter(kind, N, SHAPE)(IMAGES, ROWS, epoch=0)
    np.testing.assert_array_equal(IMAGES, before)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="'blur'"):
        Augmenter("blur", 1, SHAPE)
    with pytest.raises(ValueError, match=r"'flip' is for images \(C, H, W\); these examples are \(60,\)"):
        Augmenter("flip", 1, (60,))
    Augmenter("none", 1, (60,))
