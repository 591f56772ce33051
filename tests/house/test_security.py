"""Nothing that is shipped runs what a file says: no pickles, `eval`, shell or archive that unpacks where it likes, but where it is said why."""

from __future__ import annotations

import ast

from tests.house.test_tree import ROOT, SOURCES

UNPICKLERS = {"kvision/engine/torch_file.py", "kvision/data/sources/cifar.py"}
"""They allow the few names that an array is made by; tests/unit gives both of them hostile pickles."""
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml"}
"""Loading what they read runs what the file says; `yaml` is PyYAML, and ours is ruamel.yaml."""
CALLS = {"eval", "exec", "os.system", "os.popen", "shutil.unpack_archive", "torch.load"}
METHODS = {"extractall", "enable_unsafe_deserialization"}
ARGUMENTS = {("allow_pickle", True), ("safe_mode", False), ("shell", True), ("typ", "unsafe")}


def faults(text: str) -> list[str]:
    """What a module may not do, as `line: what`."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            what = {alias.name.partition(".")[0] for alias in node.names} & MODULES
        elif isinstance(node, ast.ImportFrom):
            what = {(node.module or "").partition(".")[0]} & MODULES
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            what = {name} & CALLS | {name.rpartition(".")[2]} & METHODS
            given = {word.arg: word.value for word in node.keywords}
            what |= {f"{key}={value}" for key, value in ARGUMENTS if key in given and ast.unparse(given[key]) == repr(value)}
            if name.endswith("saving.load_model") and "safe_mode" not in given:
                what.add("load_model without safe_mode")
        else:
            continue
        found += [f"{node.lineno}: {each}" for each in sorted(what)]
    return found


def test_no_module_runs_what_a_file_says() -> None:
    found = {path.as_posix(): lines for path in SOURCES if (lines := faults((ROOT / path).read_text(encoding="utf-8")))}
    assert found.keys() == UNPICKLERS, found
    assert all(len(lines) == 1 and lines[0].endswith(": pickle") for lines in found.values()), found


def test_the_unpicklers_never_call_the_plain_ones() -> None:
    for path in UNPICKLERS:
        calls = {ast.unparse(node.func) for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))) if isinstance(node, ast.Call)}
        assert "_Unpickler" in calls, path
        assert calls & {"pickle.load", "pickle.loads", "pickle.Unpickler", "pickle._Unpickler"} == set(), path


def test_each_of_them_is_seen_where_it_is() -> None:
    hostile = {
        "import os, pickle": "pickle", "from yaml import load": "yaml", "def f():\n import joblib.numpy_pickle": "joblib",
        "eval('1')": "eval", "os.system('ls')": "os.system", "tarfile.open(f).extractall()": "extractall",
        "np.load(f, allow_pickle=True)": "allow_pickle=True", "subprocess.run('ls', shell=True)": "shell=True", "YAML(typ='unsafe')": "typ=unsafe",
        "keras.saving.load_model(f, safe_mode=False)": "safe_mode=False", "keras.saving.load_model(f)": "load_model without safe_mode",
    }  # fmt: skip
    for text, what in hostile.items():
        assert [line.partition(": ")[2] for line in faults(text)] == [what], text
    assert faults("np.load(f)\nast.literal_eval('1')\nsubprocess.run(['ls'])\nYAML(typ='safe')\nre.compile('a')") == []
