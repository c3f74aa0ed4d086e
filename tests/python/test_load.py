"""A finished run's network: it predicts as the run was evaluated, on whatever form images come in."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

import tricktable
from tests.conftest import TINY
from tricktable.runner import data


def figures(classifier, images, labels):
    logits = classifier.logits(images)
    wrong = (logits.argmax(1) != labels).sum().item()
    return F.cross_entropy(logits, labels, reduction="sum").double().item() / len(labels), 100 * wrong / len(labels)


def test_it_predicts_what_the_run_was_evaluated_by(trained, digits, monkeypatch):
    def absent(_):
        raise AssertionError("the run's images are not needed")

    monkeypatch.setattr(data, "load", absent)
    results = [row for _, row in trained.results.iterrows() if row.variant]
    assert len(results) == 9, "three variants by three inferences"
    for row in results:
        classifier = tricktable.load(trained, variant=row.variant, inference=row.inference)
        assert figures(classifier, *digits) == (row.test_loss, row.test_error), (row.variant, row.inference)


def test_what_it_knows(trained, classifier):
    told = trained.summary["data"]
    assert (classifier.id, classifier.variant, classifier.inference) == (trained.id, "final", "plain")
    assert classifier.classes == tuple("0123456789") == tuple(told["class_names"])
    assert (list(classifier.mean), list(classifier.std)) == (told["mean"], told["std"])
    assert classifier.shape == (1, 8, 8) and classifier.size == (8, 8)
    assert classifier.config["batch_size"] == 16
    assert isinstance(classifier.model, torch.nn.Module) and not classifier.model.training
    assert trained.id in repr(classifier) and len(repr(classifier)) < 400


def test_the_model_takes_normalised_images(classifier, digits):
    images, _ = digits
    x = (images.float() - torch.tensor(classifier.mean).view(-1, 1, 1)) / torch.tensor(classifier.std).view(-1, 1, 1)
    with torch.no_grad():
        assert torch.allclose(classifier.model(x), classifier.logits(images), atol=1e-4)


def test_predictions_are_the_largest_probabilities(classifier, digits):
    images, _ = digits
    probabilities = classifier.probabilities(images[:20])
    assert list(probabilities.columns) == list("0123456789") and np.allclose(probabilities.sum(axis=1), 1)
    predicted = classifier.predict(images[:20], top=3)
    assert list(predicted.columns) == [
        "label", "probability", "label_2", "probability_2", "label_3", "probability_3",
    ]  # fmt: skip
    for number, row in predicted.iterrows():
        largest = probabilities.loc[number].sort_values(ascending=False)
        assert list(row[["label", "label_2", "label_3"]]) == list(largest.index[:3])
        assert row.probability_3 == pytest.approx(largest.iloc[2])


def test_every_form_of_an_image_is_the_same_image(classifier, digits, tmp_path):
    images, _ = digits
    expected = classifier.logits(images[:4])
    (tmp_path / "some").mkdir()
    pictures = []
    for number, image in enumerate(images[:4]):
        grey = (image[0].float() * 255 / 16).round().to(torch.uint8).numpy()  # 16 is white, of digits
        pictures.append(Image.fromarray(grey))
        pictures[-1].save(tmp_path / "some" / f"{number}.png")
    paths = sorted((tmp_path / "some").iterdir())
    forms = [images[:4].numpy(), images[:4].long(), images[:4].double() / 16, list(images[:4]), pictures, paths,
             [str(path) for path in paths], tmp_path / "some", iter(paths)]  # fmt: skip
    for form in forms:
        assert torch.allclose(classifier.logits(form), expected, atol=1e-5)
    assert list(classifier.predict(tmp_path / "some").index) == [str(path) for path in paths]
    assert torch.allclose(classifier.logits(paths[0]), expected[:1], atol=1e-5)
    assert torch.allclose(classifier.logits(pictures[0]), expected[:1], atol=1e-5)


@pytest.mark.parametrize(
    ("images", "error", "said"),
    [
        ("nowhere.png", tricktable.DataProblem, "nowhere.png: expected a file that can be read"),
        (__file__, tricktable.DataProblem, "expected a whole image"),
        (np.zeros((2, 8, 8), np.uint8), tricktable.BadInput, "expected an array B x 1 x 8 x 8, got 2 x 8 x 8"),
        (np.full((2, 1, 8, 8), 17, np.uint8), tricktable.BadInput, "expected whole numbers, 0 to 16, got uint8"),
        (np.full((2, 1, 8, 8), 16.0), tricktable.BadInput, "expected shares of white, 0 to 1, got float64"),
        (np.full((2, 1, 8, 8), np.nan), tricktable.BadInput, "expected shares of white"),
        (np.zeros((0, 1, 8, 8), np.uint8), tricktable.BadInput, "expected one at least"),
        ([], tricktable.BadInput, "expected one at least"),
        (3, tricktable.BadInput, "expected paths, pictures or arrays, got int"),
        ([None], tricktable.BadInput, "expected paths, pictures or arrays, got NoneType"),
    ],
)
def test_what_is_no_image_is_one_line(classifier, images, error, said):
    with pytest.raises(error) as caught:
        classifier.predict(images)
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"variant": "best"}, "variant: "),
        ({"inference": "crops"}, "inference: no crops of this run takes its final; there are: plain, flip"),
        ({"device": "tpu"}, "compute.device: expected auto or cpu or cuda"),
    ],
)
def test_what_a_run_has_not_is_one_line(trained, arguments, said):
    with pytest.raises(tricktable.BadInput, match=said):
        tricktable.load(trained, **arguments)


def test_a_run_by_its_id(trained):
    assert tricktable.load(trained.id[-8:], root=trained.path.parents[1]).id == trained.id
    with pytest.raises(tricktable.BadInput, match="no run; a run is its folder"):
        tricktable.load("nothing", root=trained.path.parents[1])


@pytest.fixture
def pets(tmp_path):
    """Pictures of several sizes in train/ and test/, grey or coloured, one turned by its EXIF data."""
    rng = np.random.default_rng(0)
    for split, number in (("train", 12), ("test", 5)):
        for label, tone in (("cat", 60), ("dog", 180)):
            folder = tmp_path / "pets" / split / label
            folder.mkdir(parents=True)
            for i in range(number):
                pixels = rng.integers(tone - 50, tone + 50, (20 + i, 31 - i, 3), dtype=np.uint8)
                exif = Image.Exif()
                exif[0x0112] = 6 if i == 1 else 1
                Image.fromarray(pixels).save(folder / f"{i}.png", exif=exif)
    return tmp_path / "pets"


@pytest.mark.parametrize("how", [["data.stream=false"], ["data.stream=true", "data.workers=0"]])
def test_pictures_are_decoded_and_sized_as_in_training(pets, tmp_path, how, monkeypatch):
    monkeypatch.setenv("TRICKTABLE_CACHE", str(tmp_path / "cache"))
    tiny = [each for each in TINY if "subset" not in each]
    of_pets = ["data=image_folder", f"data.path={pets}", "data.size=10", "data.resize=14", "epochs=1", "batch_size=8"]
    keys = {each.partition("=")[0] for each in of_pets}
    tiny = [each for each in tiny if each.partition("=")[0] not in keys]
    run = tricktable.train([*tiny, *of_pets, *how, f"output.root={tmp_path / 'outputs'}"])
    paths = sorted((pets / "test").rglob("*.png"))
    labels = torch.tensor([("cat", "dog").index(path.parent.name) for path in paths])
    pets.joinpath("train").rename(tmp_path / "gone")  # the run's images are not there any more
    classifier = run.load()
    assert classifier.classes == ("cat", "dog") and classifier.shape == (3, 10, 10)
    loss, error = figures(classifier, paths, labels)
    assert error == run.summary["test_error"] and loss == pytest.approx(run.summary["test_loss"], rel=1e-6)
    assert torch.equal(classifier.logits([Image.open(path) for path in paths]), classifier.logits(paths))


def test_images_that_are_needed_are_read(tmp_path, monkeypatch):
    """Where nobody says how large a folder's images are, the folder is asked."""
    monkeypatch.setenv("TRICKTABLE_CACHE", str(tmp_path / "cache"))
    for split in ("train", "test"):
        for label, tone in (("dark", 40), ("light", 200)):
            (tmp_path / "set" / split / label).mkdir(parents=True)
            for i in range(4):
                picture = Image.new("L", (9, 7), tone + i)
                picture.save(tmp_path / "set" / split / label / f"{i}.png")
    own = ["data=image_folder", f"data.path={tmp_path / 'set'}", "data.grayscale=true", "epochs=1", "batch_size=4"]
    keys = {each.partition("=")[0] for each in own} | {"data.subset"}
    tiny = [each for each in TINY if each.partition("=")[0] not in keys]
    run = tricktable.train([*tiny, *own, f"output.root={tmp_path / 'outputs'}"])
    classifier = run.load()
    assert classifier.shape == (1, 7, 9)
    classifier.predict(tmp_path / "set" / "test")
    with pytest.raises(tricktable.DataProblem, match="image 0: expected 9x7 pixels"):
        classifier.predict(Image.new("L", (9, 9)))


def test_a_picture_that_is_given_stays_as_it_was(classifier):
    """It is turned upright for the network alone."""
    lying = Image.new("RGB", (12, 8), "red")
    lying.getexif()[0x0112] = 6
    classifier.predict([lying])
    assert lying.size == (12, 8) and lying.mode == "RGB" and lying.getexif()[0x0112] == 6
