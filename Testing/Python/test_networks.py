"""Networks by description: shares of the image, any size, refused when badly described."""

from __future__ import annotations

import pytest
import torch
from small_run import NETWORK

from BoneXrayLib.running.networks import (
    EVEN,
    FIRST_LOGIT,
    build_network,
    local_contrast,
    size_multiple,
    unfolded,
)


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(1)
    return build_network(NETWORK).eval()


@torch.no_grad()
def test_answers_are_shares_small_to_begin_with(network: torch.nn.Module) -> None:
    answer = network(torch.rand(2, 3, 32, 48))
    assert answer.shape == (2, 1, 32, 48)
    assert answer.min() >= 0
    assert answer.max() <= 1
    assert answer.mean() < 0.3


@torch.no_grad()
def test_a_gain_multiplies_the_answers_which_still_end_at_one(network: torch.nn.Module) -> None:
    louder = build_network({**NETWORK, "gain": 1.5}).eval()
    louder.load_state_dict(network.state_dict())
    images = torch.rand(1, 3, 32, 32)
    assert torch.allclose(louder(images), (1.5 * network(images)).clamp(max=1.0))
    assert louder(20 * images).max() <= 1
    with pytest.raises(ValueError, match=r"network: gain 3; expected 0\.5 to 2"):
        build_network({**NETWORK, "gain": 3})


@torch.no_grad()
def test_a_trained_network_treats_each_image_of_a_batch_alone(network: torch.nn.Module) -> None:
    images = torch.rand(2, 3, 32, 32)
    assert torch.allclose(network(images)[:1], network(images[:1]), atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("sides", [(16, 16), (16, 80), (96, 32)])
def test_any_size_of_the_multiple_is_answered_at_its_size(
    network: torch.nn.Module, sides: tuple[int, int]
) -> None:
    assert size_multiple(NETWORK) == 16
    assert network(torch.rand(1, 3, *sides)).shape == (1, 1, *sides)


@torch.no_grad()
def test_a_folded_network_answers_each_pixel_where_it_is() -> None:
    description = {**NETWORK, "fold": 2}
    folded = build_network(description).eval()
    assert size_multiple(description) == 32
    image = torch.rand(2, 3, 64, 96)
    assert folded(image).shape == (2, 1, 64, 96)
    folded.network = FirstOfThree()
    assert torch.equal(folded(image), torch.sigmoid(image[:, :1] + FIRST_LOGIT))


class FirstOfThree(torch.nn.Module):
    """Answers with the first of three folded channels."""

    def forward(self, squares: torch.Tensor) -> torch.Tensor:
        return squares[:, :4]


@torch.no_grad()
def test_a_smooth_way_back_keeps_a_parabola_of_logits_and_places() -> None:
    """What is told of squares of two pixels belongs to their middles: a Gaussian stays one."""
    smooth = build_network({**NETWORK, "fold": 2, "smooth": True}).eval()
    assert smooth(torch.rand(2, 3, 64, 96)).shape == (2, 1, 64, 96)
    at = torch.arange(32.0)
    coarse = -(((2 * at + 0.5) - 30.3) ** 2) / 8
    answer = unfolded((coarse[:, None] + coarse[None])[None, None], 2, True)[0, 0]
    fine = -((torch.arange(64.0) - 30.3) ** 2) / 8
    inner = slice(16, 46)
    wanted = (fine[:, None] + fine[None])[inner, inner]
    assert (answer[inner, inner] - wanted).abs().max() < 0.3
    middle = torch.exp(answer) / torch.exp(answer).sum()
    assert (middle.sum(1) * torch.arange(64.0)).sum() == pytest.approx(30.3, abs=0.05)


@torch.no_grad()
def test_what_is_told_of_a_whole_image_is_one_number_and_the_rest_stays_as_it_is() -> None:
    description = {**NETWORK, "out_channels": 4, "whole": 2}
    torch.manual_seed(3)
    telling = build_network(description).eval()
    plain = build_network({**NETWORK, "out_channels": 2}).eval()
    plain.load_state_dict({n: v for n, v in telling.state_dict().items() if "told" not in n})
    images = torch.rand(2, 3, 32, 48)
    answer = telling(images)
    assert answer.shape == (2, 4, 32, 48)
    assert torch.allclose(answer[:, :2], plain(images))
    told = answer[:, 2:]
    assert torch.equal(told, told[:, :, :1, :1].expand_as(told))
    assert not torch.equal(told[0], told[1])


@torch.no_grad()
def test_local_contrast_is_alike_under_any_brightness_and_contrast() -> None:
    torch.manual_seed(5)
    image = torch.rand(2, 1, 24, 40)
    found = local_contrast(image, 7)
    assert found.shape == image.shape
    assert torch.allclose(local_contrast(image + 3.0, 7), found, atol=1e-3)
    fainter = local_contrast(0.3 * image + torch.linspace(0, 0.5, 40), 7)
    assert torch.corrcoef(torch.stack([fainter.ravel(), found.ravel()]))[0, 1] > 0.97
    assert local_contrast(torch.full((1, 1, 24, 40), 0.7), 7).abs().max() < 1e-4


@torch.no_grad()
def test_local_contrast_is_distance_from_the_mean_of_a_window_over_the_spread_in_it() -> None:
    torch.manual_seed(5)
    image = torch.rand(1, 1, 15, 15)
    above = image - torch.nn.functional.avg_pool2d(image, 5, 1, 2, count_include_pad=False)
    spread = above[0, 0, 5:10, 5:10].square().mean().sqrt()
    wanted = float(above[0, 0, 7, 7] / (spread + EVEN))
    assert float(local_contrast(image, 5)[0, 0, 7, 7]) == pytest.approx(wanted, abs=1e-5)


@torch.no_grad()
def test_a_network_of_local_contrast_is_shown_no_more_by_its_user() -> None:
    torch.manual_seed(5)
    local = build_network({**NETWORK, "local": [5, 9]}).eval()
    images = torch.rand(1, 3, 32, 48)
    answer = local(images)
    assert answer.shape == (1, 1, 32, 48)
    seen = [images, local_contrast(images[:, :1], 5), local_contrast(images[:, :1], 9)]
    wanted = torch.sigmoid(local.network(torch.cat(seen, 1)) + FIRST_LOGIT)
    assert torch.allclose(answer, wanted)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "transformer"}, "network: got 'transformer'; expected one of unet"),
        ({"channels": [4, 4]}, "network: 2 channels; expected 6"),
        ({"channels": ["wide"] * 6}, "network: bad or missing entry"),
        ({"fold": 0}, "network: fold 0; expected 1 to 4"),
        ({"whole": 1}, "network: whole 1; expected fewer than the 1 outputs"),
        ({"local": [4]}, r"network: local \[4\]; expected odd sides of 3 or more"),
        ({"local": 9}, "network: bad or missing entry"),
        ({"in_channels": None}, "network: bad or missing entry"),
        ({"norm": "instance"}, "network: unknown 'norm'; expected some of name, in_channels"),
    ],
)
def test_a_bad_description_is_refused_in_one_line(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_network({**NETWORK, **changes})


def test_a_missing_entry_is_named() -> None:
    with pytest.raises(ValueError, match="network: bad or missing entry 'channels'"):
        build_network({"name": "unet", "in_channels": 3, "out_channels": 1})
