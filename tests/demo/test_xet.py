"""The demo hub's Xet storage: the real hf_xet downloads from it, and only with a token for it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download  # pyright: ignore[reportUnknownVariableType]

from rmm_widgets.demo.server import DemoHub

from .raw_client import request

REPO = "rmm-demo/model"
FILE = "model.safetensors"
SIZE = (9 << 20) + 12_345


@pytest.fixture
def xet_hub(empty_hub: DemoHub) -> DemoHub:
    empty_hub.add(REPO, {FILE: random.Random(1).randbytes(SIZE), "config.json": b"{}"})
    empty_hub.xet = True
    return empty_hub


def test_huggingface_hub_downloads_by_xet(xet_hub: DemoHub, tmp_path: Path) -> None:
    file = Path(hf_hub_download(REPO, FILE, endpoint=xet_hub.url, cache_dir=tmp_path, token=False))
    assert file.read_bytes() == random.Random(1).randbytes(SIZE)
    asked = {each.path.split("/")[1] for each in xet_hub.requests if each.origin == "cdn"}
    assert asked == {"v1", "v2", "xorbs"}


def test_small_files_are_not_in_xet(xet_hub: DemoHub) -> None:
    answer = request(f"{xet_hub.url}/{REPO}/resolve/main/config.json", method="HEAD")
    assert answer.status == 200
    assert "x-xet-hash" not in answer.headers


def test_a_part_of_a_file_and_what_is_refused(xet_hub: DemoHub) -> None:
    told = request(f"{xet_hub.url}/{REPO}/resolve/main/{FILE}", method="HEAD").headers
    access = request(told["x-xet-refresh-route"]).headers
    url = f"{access['x-xet-cas-url']}/v1/reconstructions/{told['x-xet-hash']}"
    start, stop = 5_000_000, 5_200_000
    login = f"Bearer {access['x-xet-access-token']}"
    document = json.loads(request(url, Authorization=login, Range=f"bytes={start}-{stop - 1}").body)
    (term,) = document["terms"]
    (source,) = document["fetch_info"][term["hash"]]
    first, last = source["url_range"]["start"], source["url_range"]["end"]
    packed = request(source["url"], Range=f"bytes={first}-{last}").body
    assert len(packed) == last - first + 1
    unpacked = b""
    while packed:
        length = int.from_bytes(packed[1:4], "little")
        unpacked, packed = unpacked + packed[8 : 8 + length], packed[8 + length :]
    assert len(unpacked) == term["unpacked_length"]
    offset = document["offset_into_first_range"]
    assert unpacked[offset : offset + stop - start] == random.Random(1).randbytes(SIZE)[start:stop]
    assert request(url, Authorization=login, Range=f"bytes={SIZE}-{SIZE + 9}").status == 416
    assert request(url).status == 401
    assert request(url, Authorization="Bearer hf_member").status == 401
    assert request(source["url"].partition("?")[0]).status == 403


def test_off_unless_asked_for(empty_hub: DemoHub) -> None:
    empty_hub.add(REPO, {FILE: b"abc"})
    assert "x-xet-hash" not in request(f"{empty_hub.url}/{REPO}/resolve/main/{FILE}", method="HEAD").headers
