"""The demo hub's Xet storage: the real hf_xet downloads from it, and only with a token for it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import hf_hub_download  # pyright: ignore[reportUnknownVariableType]

from rmm_widgets.demo.server import DemoHub

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
    assert {request.path.split("/")[1] for request in xet_hub.requests if request.origin == "cdn"} == {
        "v1",
        "v2",
        "xorbs",
    }


def test_small_files_are_not_in_xet(xet_hub: DemoHub) -> None:
    answer = httpx2.head(f"{xet_hub.url}/{REPO}/resolve/main/config.json")
    assert answer.status_code == 200
    assert "X-Xet-Hash" not in answer.headers


def test_a_part_of_a_file_and_what_is_behind_its_end(xet_hub: DemoHub) -> None:
    told = httpx2.head(f"{xet_hub.url}/{REPO}/resolve/main/{FILE}")
    access = httpx2.get(told.headers["X-Xet-Refresh-Route"]).headers
    url = f"{access['X-Xet-Cas-Url']}/v1/reconstructions/{told.headers['X-Xet-Hash']}"
    start, stop = 5_000_000, 5_200_000
    login = {"Authorization": f"Bearer {access['X-Xet-Access-Token']}"}
    document = json.loads(httpx2.get(url, headers={**login, "Range": f"bytes={start}-{stop - 1}"}).content)
    (term,) = document["terms"]
    (source,) = document["fetch_info"][term["hash"]]
    first, last = source["url_range"]["start"], source["url_range"]["end"]
    packed = httpx2.get(source["url"], headers={"Range": f"bytes={first}-{last}"}).content
    assert len(packed) == last - first + 1
    unpacked = b""
    while packed:
        length = int.from_bytes(packed[1:4], "little")
        unpacked, packed = unpacked + packed[8 : 8 + length], packed[8 + length :]
    assert len(unpacked) == term["unpacked_length"]
    offset = document["offset_into_first_range"]
    assert unpacked[offset : offset + stop - start] == random.Random(1).randbytes(SIZE)[start:stop]
    assert httpx2.get(url, headers={**login, "Range": f"bytes={SIZE}-{SIZE + 9}"}).status_code == 416
    assert httpx2.get(url).status_code == 401
    assert httpx2.get(source["url"].partition("?")[0]).status_code == 403


def test_off_unless_asked_for(empty_hub: DemoHub) -> None:
    empty_hub.add(REPO, {FILE: b"abc"})
    assert "X-Xet-Hash" not in httpx2.head(f"{empty_hub.url}/{REPO}/resolve/main/{FILE}").headers
