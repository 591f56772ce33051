from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest

from kvision.ui import pages
from tests.unit import run_folders
from tests.unit.ui.conftest import write_bundle
from tests.unit.ui.site import Site

HOSTILE = "<script>alert(1)</script>\"'&#x3c;`${1}"
ALL = ("/", "/run/unet", "/compare", "/compare?run=unet&run=b", "/try")


class _Elements(HTMLParser):
    """Every start tag of a page, with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_list_shows_each_run_with_its_state_and_result(tmp_path: Path) -> None:
    run_folders.make(tmp_path / "unet")
    run_folders.make(tmp_path / "early", epochs=1, status="interrupted", expect={"metric": "val/miou", "at_least": 0.55})
    text = re.sub(r"<[^>]+>|\s+", " ", Site(tmp_path).get("/").text)
    assert "unet segmentation/unet finished val/miou 0.6 ✓ as expected 3/3 4.5 s" in re.sub(" +", " ", text)
    assert "early segmentation/unet interrupted val/miou 0.2 ✗ not as expected 1/3" in re.sub(" +", " ", text)


def test_the_list_is_found_in_and_sorted(tmp_path: Path) -> None:
    for name, epochs, status in (("aa", 1, "finished"), ("bb", 3, "failed"), ("ab", 2, "finished")):
        run_folders.make(tmp_path / name, epochs=epochs, status=status)

    def names(query: str) -> list[str]:
        return [
            str(given["value"])
            for tag, given in _Elements(Site(tmp_path).get(f"/?{query}").text).found
            if tag == "input" and given.get("name") == "run"
        ]

    assert names("sort=name") == ["aa", "ab", "bb"]
    assert names("sort=lowest")[0] == "aa"
    assert names("sort=highest")[-1] == "aa"
    assert sorted(names("q=A")) == ["aa", "ab", "bb"]  # all are "segmentation/unet"
    assert names("q=b+fail") == ["bb"]
    assert sorted(names("status=finished")) == ["aa", "ab"]
    assert names("status=nonsense") == []
    assert len(names("sort=nonsense")) == 3


def test_a_run_shows_everything_it_has(exported: Path) -> None:
    run_folders.make(exported / "b", model={"width": 16})
    text = Site(exported).get("/run/unet?other=b").text
    for piece in (
        "val/miou, epoch 2",
        "expected at least 0.55",
        "The worst",
        "Chosen at random",
        "class 2",
        "tflite-int8-full",
        "recipes/unet.yaml:5",
    ):
        assert piece in text
    assert re.search(r'model.width</th><td class="value">8</td><td class="value">16</td>', text)
    assert re.search(r'<td class="figure shade-\d+" title="83.3 %">100</td>', text)  # 100 of 100 + 10 + 10
    picture = re.search(r'<img src="([^"]+)"', text)
    assert picture is not None
    answer = Site(exported).get(picture[1])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")


def test_a_page_that_is_open_is_loaded_again_when_its_run_has_ended(tmp_path: Path) -> None:
    run_folders.make(tmp_path / "unet", status="running", evaluated=False)
    site = Site(tmp_path)
    found = re.search(r'hx-get="(/run/unet\?stage=running)" hx-trigger="every 3s"', site.get("/run/unet").text)
    assert found is not None
    assert site.get(found[1]).status_code == 200
    summary = json.loads((tmp_path / "unet/summary.json").read_text()) | {"status": "finished"}
    (tmp_path / "unet/summary.json").write_text(json.dumps(summary))
    answer = site.get(found[1])
    assert (answer.status_code, answer.headers["hx-refresh"]) == (204, "true")


def test_curves_give_what_is_new(tmp_path: Path) -> None:
    run_folders.make(tmp_path / "a b" / "ü", epochs=2)
    site = Site(tmp_path)
    first = site.get(f"/curves/{quote('a b/ü')}").json()
    assert (first["running"], [row[0] for row in first["epochs"]["rows"]]) == (False, [1, 2])
    assert {"title": "Loss", "columns": ["train/loss", "val/loss"]} in first["panels"]
    with (tmp_path / "a b" / "ü" / "metrics.csv").open("a") as file:
        file.write("3,9,0.001,0.3,0.4,0.5\n")
    second = site.get(f"/curves/{quote('a b/ü')}", params={"epochs": first["epochs"]["token"], "steps": first["steps"]["token"]}).json()
    assert second["epochs"]["rows"] == [[3, 9, 0.001, 0.3, 0.4, 0.5]]
    assert "panels" not in second


def test_runs_side_by_side(tmp_path: Path) -> None:
    run_folders.make(tmp_path / "a")
    run_folders.make(tmp_path / "b", model={"width": 16}, train={"epochs": 3, "steps": None, "seed": 0})
    run_folders.make(tmp_path / "c", train={"epochs": 3, "steps": None, "seed": 1})
    text = Site(tmp_path).get("/compare?run=a&run=b&run=c&run=none&run=a").text
    assert "Compared: a, b, c" in text
    assert re.search(r'model.width</th><td class="value">8</td><td class="value">16</td><td class="value">8</td>', text)
    assert re.search(r'val/miou</th><td class="figure">0.6</td>', text)
    assert "Seeds together" in text
    assert json.loads(str(next(given["data-runs"] for _, given in _Elements(text).found if "data-runs" in given))) == ["a", "b", "c"]


def test_too_many_runs_side_by_side(tmp_path: Path) -> None:
    for number in range(9):
        run_folders.make(tmp_path / str(number), evaluated=False)
    answer = Site(tmp_path).get("/compare", params={"run": list("012345678")})
    assert answer.status_code == 400
    assert "9 runs are chosen; at most 8 can be compared at a time: choose fewer" in answer.text


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert "kvision train recipes/unet.yaml" in site.get("/").text
    assert "There are no runs here" in site.get("/compare").text
    assert "kvision export RUN --to tflite-int8-full" in site.get("/try").text


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/nothing", 404, "GET /nothing: not found; the list of runs leads to every page"),
        ("/run/no", 404, "no: no such run here; the list of runs has those that exist"),
        ("/run/../secret", 404, "no such run here|not found"),
        ("/run/%2e%2e/secret", 404, "no such run here|not found"),
        ("/curves/%2fetc", 404, "/etc: no such run here"),
        ("/report/unet", 404, "not found"),
        ("/picture/unet?file=../b/pictures/worst-1.png", 404, "not found"),
        ("/picture/unet?file=resolved.json", 404, "not found"),
        ("/sample/unet", 404, "unet: there is no such bundle here; the page of pictures lists those that are"),
        ("/static/../app.py", 404, "not found"),
        ("/static/%2e%2e/app.py", 404, "not found"),
        ("/answer", 405, "GET /answer: method not allowed"),
    ],
)
def test_what_is_not_there_is_a_page_or_a_line_that_says_so(tmp_path: Path, path: str, status: int, message: str) -> None:
    run_folders.make(tmp_path / "runs" / "unet")
    run_folders.make(tmp_path / "runs" / "b")
    run_folders.make(tmp_path / "secret")
    answer = Site(tmp_path / "runs").get(path)
    assert answer.status_code == status
    assert re.search(message, answer.text)
    assert "Traceback" not in answer.text
    assert answer.headers.get("allow") == ("POST" if status == 405 else None)


def test_reports_are_shown_and_nothing_in_them_is_run(exported: Path) -> None:
    (exported / "unet" / "report.html").write_text("<p>of the run</p>")
    (exported / "unet" / "bundle" / "report.html").write_text("<p>of the bundle</p>")
    site = Site(exported)
    assert site.get("/report/unet").text == "<p>of the run</p>"
    answer = site.get("/report/unet/bundle")
    assert answer.text == "<p>of the bundle</p>"
    assert answer.headers["content-security-policy"].endswith("; sandbox")
    assert "script-src" not in answer.headers["content-security-policy"]
    (exported / "unet" / "report.html").unlink()
    (exported / "unet" / "report.html").symlink_to("/etc/hostname")
    assert site.get("/report/unet").status_code == 404


def test_nothing_that_a_run_says_becomes_markup(tmp_path: Path) -> None:
    name = HOSTILE.replace("/", "∕")
    run = run_folders.make(tmp_path / name, data={"source": HOSTILE}, **{HOSTILE: {HOSTILE: HOSTILE}}, system=HOSTILE)
    other = run_folders.make(tmp_path / "b")
    (run / "data.json").write_text(json.dumps({"class_names": [HOSTILE] * 3}))
    header = '"' + f"val/{HOSTILE}".replace('"', '""') + '"'
    (run / "metrics.csv").write_text(f"epoch,step,lr,{header}\n1,1,0.1,0.5\n")
    evaluation = json.loads((run / "evaluation.json").read_text())
    evaluation["metrics"][HOSTILE] = HOSTILE
    evaluation["examples"] = [{**example, "name": HOSTILE, "kind": HOSTILE} for example in evaluation["examples"]]
    evaluation["tables"]["per_class"] = {HOSTILE: [0.5, 0.5, 0.5]}
    (run / "evaluation.json").write_text(json.dumps(evaluation))
    (run / "summary.json").write_text(json.dumps({"status": HOSTILE, "message": HOSTILE}))
    write_bundle(
        run / "bundle", proof=[{"format": HOSTILE, "verdict": "rejected", "metric": HOSTILE, "failures": [HOSTILE], "minimum_runtime": HOSTILE}]
    )
    site, where = Site(tmp_path), quote(name)
    addresses = [
        "/",
        f"/?q={quote(HOSTILE)}",
        f"/?status={quote(HOSTILE)}",
        f"/run/{where}?other=b",
        f"/run/b?other={where}",
        f"/compare?run={where}&run=b",
        "/try",
    ]
    for address in [*addresses, f"/run/{quote(HOSTILE)}", f"/{quote(HOSTILE)}"]:
        answer = site.get(address)
        assert answer.status_code in (200, 404), answer.text
        elements = _Elements(answer.text).found
        assert [given for tag, given in elements if tag == "script" and not str(given.get("src")).startswith("/static/")] == []
        assert [given for _, given in elements if any(key.startswith("on") or key == "style" for key in given)] == []
        assert "alert(1)" in re.sub("<title>.*</title>", "", answer.text, flags=re.DOTALL)  # it is there, as text
    assert other.exists()


def test_pages_hold_nothing_that_their_policy_forbids_and_can_be_used_by_keyboard(exported: Path) -> None:
    run_folders.make(exported / "b")
    for address in ALL:
        elements = _Elements(Site(exported).get(address).text).found
        assert not any("style" in given or any(key.startswith("on") for key in given) for _, given in elements)
        assert not any(tag in ("style", "iframe", "object") for tag, _ in elements)
        assert not any("//" in str(given.get(key, "")) for _, given in elements for key in ("src", "href", "action", "hx-get"))
        first = next(given for tag, given in elements if tag in ("a", "button", "input", "select"))
        assert (first["class"], first["href"]) == ("skip", "#main")
        assert [tag for tag, _ in elements].count("h1") == 1
        assert all(given.get("alt") for tag, given in elements if tag == "img")
        scrolling = [given for _, given in elements if "scroll" in str(given.get("class", "")).split()]
        assert all(given["tabindex"] == "0" and given["aria-label"] for given in scrolling)


def test_what_nobody_foresaw_is_a_page_too(exported: Path) -> None:
    (exported / "unet" / "evaluation.json").write_text('{"metrics": {"miou": 1}, "tables": 3}')
    answer = Site(exported).get("/run/unet")
    assert answer.status_code == 500
    assert "AttributeError: " in answer.text
    assert "the terminal of `kvision ui` has the details" in answer.text


def test_a_confusion_of_many_classes_shows_those_that_are_found_least() -> None:
    counts = [[100 if row == column else 0 for column in range(50)] for row in range(50)]
    counts[7][7], counts[7][8] = 1, 99
    shown = pages.matrix(counts, [f"c{k}" for k in range(50)])
    assert shown is not None
    assert (len(shown.names), shown.left_out, "c7" in shown.names) == (40, 10, True)
    name, cells = shown.rows[shown.names.index("c7")]
    assert (name, cells[shown.names.index("c8")]) == ("c7", (99, "99.0 %", 10))
    for damaged in (None, "x", [[1]], [[1, 2]], 5):
        assert pages.matrix(damaged, ["a", "b"]) is None


def test_the_pages_need_no_tensorflow(exported: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.unit.ui.site import Site; site = Site(Path(sys.argv[1]));"
        f"assert all(site.get(path).status_code == 200 for path in {ALL});"
        "import kvision_edge.model; assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(exported)], check=True, cwd=Path(__file__).parents[3])


def test_the_files_of_others_are_named_with_their_licences() -> None:
    folder = Path(pages.__file__).parent / "static"
    text = (folder / "LICENSES.txt").read_text()
    assert [path.name for path in folder.iterdir() if ".min." in path.name and path.name not in text] == []
    assert "Zero-Clause BSD" in text
    assert "MIT" in text
