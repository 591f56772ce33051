"""The command `kvision-edge`: run, info, verify, bench, serve."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence, Set

from kvision_edge import __version__, guard, quiet
from kvision_edge.errors import EdgeError, PictureError, UsageError, VerifyError

if TYPE_CHECKING:
    from kvision_edge.model import Model, Outcome

PREDICTIONS = "predictions.json"
_ENGINES = ("ai-edge-litert", "tflite-runtime", "tensorflow")
_EXAMPLES = """examples:
  kvision-edge run bundle photo.jpg                     what is in the picture
  kvision-edge run bundle holiday/ --out masks          masks and overlays of a folder
  kvision-edge run bundle camera:0 --json               one JSON object a frame
  kvision-edge run policy observation.npy               what an agent does there
  kvision-edge run policy env:CartPole-v1 --out played   an agent in its environment
  kvision-edge verify bundle                            files whole, and right on this device
  kvision-edge bench bundle --threads 1 --no-xnnpack    how fast
"""


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Runs one command.

    Args:
        arguments: Without the program's name; none: the command line's.

    Returns:
        Exit code: 0; 1 for an error, 2 for wrong arguments, 4 where a bundle does not do what it must, 130 when interrupted.
    """
    given = _parser().parse_args(arguments)
    quiet.install()
    try:
        given.command(given)
    except EdgeError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # such as `| head`
        sys.stderr.close()
        return 0
    return 0


def guarded() -> int:
    """The command as it is installed: `main` in a process of its own, so that a crash of the interpreter is told."""
    return guard.run(main, f"kvision-edge {' '.join(sys.argv[1:])}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kvision-edge",
        description="Runs bundles that `kvision export` made.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kvision-edge {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    run = _command(commands, "run", _run, "predict pictures, folders, globs, a video, a camera; or let an agent act", "bundle holiday/ --out masks")
    run.add_argument(
        "inputs", nargs="+", metavar="INPUT", help="picture, folder, glob, video, camera:N, .npy or .npz (arrays by name), env:NAME for agents"
    )
    run.add_argument("--out", metavar="DIR", help=f"new folder for masks, overlays, recordings and {PREDICTIONS}; without it only text")
    run.add_argument("--json", action="store_true", help="one JSON object a picture, or an episode, on the standard output")
    run.add_argument("--episodes", type=int, default=10, metavar="N", help="of env:NAME (10)")
    run.add_argument("--seed", type=int, default=0, metavar="N", help="of env:NAME's first episode (0); the others follow")
    _engine(run)
    info = _command(commands, "info", _info, "what a bundle is: task, classes, files, metrics", "bundle")
    info.add_argument("--json", action="store_true", help="the whole manifest")
    verify = _command(commands, "verify", _verify, "are the files whole, and is the network right on this device?", "bundle")
    verify.add_argument("--json", action="store_true", help="one JSON object a check")
    _engine(verify, choose=False)
    bench = _command(commands, "bench", _bench, "latency, its parts, memory, ops", "bundle --threads 1 --by-op")
    bench.add_argument("--runs", type=int, default=50, metavar="N", help="predictions that count (50)")
    bench.add_argument("--size", metavar="HxW", help="size of the picture, such as 480x640 (the network's own)")
    bench.add_argument("--by-op", action="store_true", help="what each op takes, measured by cutting the network behind it; takes longer")
    bench.add_argument("--json", action="store_true", help="one JSON object")
    _engine(bench)
    serve = _command(commands, "serve", _serve, "a small HTTP endpoint on this machine alone", "bundle --port 8080")
    serve.add_argument("--port", type=int, default=8080, help="of 127.0.0.1 (8080); 0: any free one")
    _engine(serve)
    return parser


def _command(commands: Any, name: str, function: Callable[[argparse.Namespace], None], about: str, example: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=about, description=about[0].upper() + about[1:] + ".", epilog=f"example: kvision-edge {name} {example}"
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="the folder that `kvision export` made")
    parser.set_defaults(command=function)
    return parser


def _engine(parser: argparse.ArgumentParser, choose: bool = True) -> None:
    parser.add_argument("--threads", type=int, metavar="N", help="threads of the interpreter (the processor's cores, 4 at most)")
    parser.add_argument("--interpreter", default="", metavar="NAME", help=f"{', '.join(_ENGINES)} (the first that is installed)")
    if choose:
        parser.add_argument("--format", default="", metavar="NAME", help="which file of the bundle, such as int8-full (its first)")
        parser.add_argument("--no-xnnpack", dest="xnnpack", action="store_false", help="compute with the interpreter's own kernels")


def _open(given: argparse.Namespace) -> Model:
    from kvision_edge.model import Model

    return Model(given.bundle, format=given.format, threads=given.threads, xnnpack=given.xnnpack, interpreter=given.interpreter)


def _run(given: argparse.Namespace) -> None:
    from kvision_edge import agent, capture
    from kvision_edge.model import AHEAD

    if any(each.startswith(agent.ENVIRONMENT) for each in given.inputs):
        _play(given)
        return
    live = any(each.startswith(capture.CAMERA) for each in given.inputs)
    sources = capture.items(given.inputs)
    model = _open(given)
    out = None if given.out is None else _fresh(Path(given.out))
    used: Set[str] = set()
    entries: List[Dict[str, Any]] = []
    failed: List[str] = []
    count, started = 0, time.perf_counter()
    for outcome in model.predict_many(sources, capture.Item.read, ahead=2 if live else AHEAD):
        count += 1
        entry = _entry(outcome, out, used)
        if outcome.error is not None:
            failed.append(str(outcome.error))
        if out is not None:
            entries.append(entry)
        if given.json:
            print(json.dumps(entry), flush=True)
        elif outcome.answer is not None:
            print(f"{outcome.given.name}\n  " + outcome.answer.text().replace("\n", "\n  "), flush=True)
    seconds = time.perf_counter() - started
    if out is not None:
        _note(out, model, images=entries)
    if not given.json and (out is not None or count > 1):
        where = "" if out is None else f": {out}"
        print(f"{count - len(failed)} predicted in {seconds:.1f} s ({count / seconds:.1f} a second){where}", file=sys.stderr)
    if failed:
        listed = "\n".join(f"  {each}" for each in failed[:5]) + (f"\n  and {len(failed) - 5} more" if len(failed) > 5 else "")
        raise PictureError(f"{len(failed)} of {count} failed, the others are done:\n{listed}")


def _play(given: argparse.Namespace) -> None:
    """Episodes of an agent in its environment."""
    from kvision_edge import agent

    if len(given.inputs) > 1:
        raise UsageError(f"{' '.join(given.inputs)}: give one {agent.ENVIRONMENT}NAME, and nothing beside it")
    if given.episodes < 1 or given.seed < 0:
        raise UsageError(f"--episodes {given.episodes} --seed {given.seed}: accepted are 1 or more, and 0 or more")
    world = agent.World(_open(given), given.inputs[0][len(agent.ENVIRONMENT) :], record=given.out is not None)
    out = None if given.out is None else _fresh(Path(given.out))
    entries: List[Dict[str, Any]] = []
    started = time.perf_counter()
    for number, episode in enumerate(world.episodes(given.episodes, given.seed)):
        entries.append(episode.to_json())
        if out is not None and episode.frames:
            entries[-1]["recording"] = f"episode-{number:03d}.gif"
            episode.save(out / entries[-1]["recording"], world.fps)
        print(json.dumps(entries[-1]) if given.json else episode.text(), flush=True)
    seconds = time.perf_counter() - started
    if world.unseen:
        print(f"no recording: {world.unseen}", file=sys.stderr)
    if out is not None:
        _note(out, world.model, environment=world.name, episodes=entries)
    if not given.json:
        totals = [entry["return"] for entry in entries]
        summary = f"return {statistics.mean(totals):.1f} ± {statistics.pstdev(totals):.1f}, {min(totals):g} to {max(totals):g}"
        rate = sum(entry["length"] for entry in entries) / seconds
        print(f"{len(entries)} episodes of {world.name}: {summary} ({rate:.0f} steps a second)", file=sys.stderr)


def _note(out: Path, model: Model, **found: Any) -> None:
    """Writes down what was predicted, and by what."""
    facts = {"bundle": str(model.bundle.folder), "format": model.file.format, "labels": model.manifest.labels, **found}
    (out / PREDICTIONS).write_text(json.dumps(facts, indent=1), encoding="utf-8")


def _entry(outcome: Outcome[Any], out: Optional[Path], used: Set[str]) -> Dict[str, Any]:
    """What is said of one picture; its pictures are written."""
    entry: Dict[str, Any] = {"file": outcome.given.name}
    if outcome.answer is None:
        return {**entry, "error": str(outcome.error)}
    entry.update(outcome.answer.to_json())
    if out is not None and outcome.image is not None:
        stem = _stem(outcome.given.name, used)
        for kind, picture in outcome.answer.pictures(outcome.image).items():
            entry[kind] = f"{stem}.{kind}.png"
            picture.save(out / entry[kind])
    return entry


def _stem(name: str, used: Set[str]) -> str:
    """A file name of its own for each picture."""
    stem, number = Path(name).stem, 1
    found = stem
    while found in used:
        number += 1
        found = f"{stem}-{number}"
    used.add(found)
    return found


def _fresh(out: Path) -> Path:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"--out {out}: holds files, which are not overwritten; give a new folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {out}: can't be made ({error.strerror})") from error
    return out


def _info(given: argparse.Namespace) -> None:
    from kvision_edge.bundle import Bundle

    manifest = Bundle(given.bundle).manifest
    if given.json:
        print(manifest.to_json(), end="")
        return
    classes = f", {len(manifest.labels)} classes: {', '.join(manifest.labels)}" if manifest.labels else ""
    print(f"{manifest.name}: {manifest.task}{classes}")
    if manifest.preprocess is not None:
        print(f"takes pictures of any size, scaled to {manifest.preprocess.size_px} px ({manifest.preprocess.fit})")
    print(f"trained: {_values(manifest.metrics)}")
    for file in manifest.files:
        print(f"  {file.format:18} {file.bytes / 2**20:7.2f} MiB  needs runtime {file.minimum_runtime or '-':6}  {_values(file.metrics)}")
        for name, signature in file.signatures.items():
            taken, gives = (", ".join(f"{key} {t.dtype}{list(t.shape)}" for key, t in side.items()) for side in (signature.inputs, signature.outputs))
            print(f"    {name}: {taken} -> {gives}")


def _values(metrics: Any) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())


def _verify(given: argparse.Namespace) -> None:
    from kvision_edge import verification
    from kvision_edge.bundle import Bundle

    wrong = 0
    for check in verification.verify(Bundle(given.bundle), threads=given.threads, interpreter=given.interpreter):
        wrong += check.ok is False
        if given.json:
            print(json.dumps({"what": check.what, "ok": check.ok, "detail": check.detail}), flush=True)
        else:
            print(f"{'ok   ' if check.ok else 'skip ' if check.ok is None else 'WRONG'} {check.what}: {check.detail}", flush=True)
    if wrong:
        raise VerifyError(f"{given.bundle}: {wrong} of the checks failed; do not use this bundle on this device")


def _bench(given: argparse.Namespace) -> None:
    from kvision_edge import bench

    size = None
    if given.size is not None:
        parts = given.size.lower().split("x")
        if len(parts) != 2 or not all(part.isdigit() and int(part) for part in parts):
            raise UsageError(f"--size {given.size}: give height and width, such as 480x640")
        size = (int(parts[0]), int(parts[1]))
    if given.runs < 1:
        raise UsageError(f"--runs {given.runs}: accepted is 1 or more")
    engine = {"format": given.format, "threads": given.threads, "xnnpack": given.xnnpack, "interpreter": given.interpreter}
    report = bench.measure(given.bundle, **engine, runs=given.runs, size=size, by_op=given.by_op)
    print(json.dumps(report.to_json(), indent=1) if given.json else report.text())


def _serve(given: argparse.Namespace) -> None:
    from kvision_edge.server import Server

    with Server(_open(given), given.port) as server:
        print(f"{server.model.manifest.name} at {server.url}; try: curl --data-binary @photo.jpg {server.url}/predict", flush=True)
        server.serve_forever()
