"""What is handed to Slurm and Ray, and the Slurm jobs done by a stand-in for the cluster."""

import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from summpo.config.nodes import from_target
from summpo.config.tree import conf_dir
from summpo.documents.executors import Executor, Stage
from summpo.documents.executors.local import Local
from summpo.documents.executors.ray import Ray
from summpo.documents.executors.slurm import Slurm
from summpo.documents.prepare import prepare
from summpo.errors import UserError
from support.made_documents import RULES, corpus, written

STAGES = ["filter_test", "index_test", "filter_train", "check", "exact_duplicates", "near_signatures", "near_matches"]
STAGES += ["near_clusters", "merge"]
# In the number of the job stands how many scripts there are: each submission leaves its script and its arguments.
SUBMIT = """#!/bin/sh
for script; do :; done
number=$(ls {jobs}/*.slurm 2>/dev/null | wc -l)
cp "$script" {jobs}/$(printf %02d $number).slurm
echo "$@" > {jobs}/$(printf %02d $number).arguments
echo "Submitted batch job 10$number"
"""
# Slurm's part in running a job: its tasks one after the other, each told its number.
DO = """
last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$script")
export SLURM_NODELIST=here SLURM_JOB_ID=1 RUN_OFFSET=0
for task in $(seq 0 ${{last:-0}}); do SLURM_ARRAY_TASK_ID=$task bash "$script" >>{jobs}/log 2>&1 || exit 1; done
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder into which an sbatch on the PATH puts what it is given."""
    jobs, programs = tmp_path / "jobs", tmp_path / "bin"
    jobs.mkdir()
    put(programs / "sbatch", SUBMIT.format(jobs=jobs))
    monkeypatch.setenv("PATH", f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    return jobs


def put(program: Path, content: str) -> None:
    program.parent.mkdir(exist_ok=True)
    program.write_text(content)
    program.chmod(0o755)


def directives(script: str) -> dict[str, str]:
    return dict(re.findall(r"^#SBATCH --([\w-]+)=?(.*)$", script, re.MULTILINE))


def test_slurm_is_given_a_job_a_stage_each_after_the_one_before(
    tmp_path: Path, word_tokenizer: Path, cluster: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    executor = Slurm(
        partition="cpu", time="1:00:00", workers=50, tasks=2, mem_per_cpu_gb=8, qos="low", sbatch_args={"account": "me"},
        env_command="source /venv/bin/activate",
    )  # fmt: skip
    assert prepare(corpus(tmp_path, (5,)), RULES, word_tokenizer, tmp_path / "out", executor) is None
    scripts = [file.read_text() for file in sorted(cluster.glob("*.slurm"))]
    jobs = [script for script in scripts if "launch_pickled_pipeline" in script]  # the others merge statistics
    assert [directives(job)["job-name"] for job in jobs] == [f"documents-{name}" for name in STAGES]
    assert [directives(job)["array"] for job in jobs] == [f"0-{n - 1}%50" for n in (1, 1, 2, 1, 1, 3, 6, 1, 1)]
    of_all = {"partition": "cpu", "time": "1:00:00", "mem-per-cpu": "8G", "cpus-per-task": "1", "qos": "low"}
    assert all((of_all | {"account": "me"}).items() <= directives(job).items() for job in jobs)
    work = tmp_path / "out/documents/work"
    assert all("source /venv/bin/activate" in job for job in jobs)
    assert f"launch_pickled_pipeline {work}/logs/filter_train/executor.pik" in jobs[2]
    numbers = [int(file.stem) for file in sorted(cluster.glob("*.slurm")) if "launch_pickled" in file.read_text()]
    arguments = [(cluster / f"{number:02d}.arguments").read_text() for number in numbers]
    assert "--dependency" not in arguments[0]
    for before, one in zip(numbers, arguments[1:], strict=False):
        assert f"--dependency=afterok:10{before} " in one
    said = capfd.readouterr()
    assert said.err == "" and said.out == "documents: 9 jobs submitted; give the command again when they are done\n"

    count = len(list(cluster.glob("*.slurm")))
    assert prepare(corpus_again(tmp_path), RULES, word_tokenizer, tmp_path / "out", executor) is None
    assert len(list(cluster.glob("*.slurm"))) == count, "nothing is submitted twice"
    assert "documents: submitted as jobs 100, 10" in capfd.readouterr().out
    with pytest.raises(UserError, match=r"^jobs are at work in .*, where rules\.seed was 0 and is 1: "):
        prepare(corpus_again(tmp_path), changed(), word_tokenizer, tmp_path / "out", executor)


def corpus_again(folder: Path) -> Any:
    from summpo.documents.jsonl import Jsonl

    return {"train": Jsonl(str(folder / "train")), "test": Jsonl(str(folder / "test.jsonl"))}


def changed() -> Any:
    from dataclasses import replace

    return replace(RULES, seed=1)


@pytest.mark.storm
def test_what_slurms_jobs_do_is_what_this_machine_does(tmp_path: Path, word_tokenizer: Path, cluster: Path) -> None:
    """The scripts run as Slurm would run them, in processes of their own that know what was pickled and no more."""
    put(tmp_path / "bin" / "sbatch", SUBMIT.format(jobs=cluster) + DO.format(jobs=cluster))
    put(tmp_path / "bin" / "srun", '#!/bin/sh\nshift 3\nexec "$@"\n')  # srun -l -n 1 PROGRAM ...
    put(tmp_path / "bin" / "scontrol", "#!/bin/sh\necho here\n")
    sources = corpus(tmp_path, (5,))
    assert prepare(sources, RULES, word_tokenizer, tmp_path / "out", Slurm(partition="cpu")) is None
    assert prepare(sources, RULES, word_tokenizer, tmp_path / "out", Slurm(partition="cpu")) is not None
    prepare(sources, RULES, word_tokenizer, tmp_path / "here", Local())
    assert written(tmp_path / "out") == written(tmp_path / "here")


def test_no_slurm_here(tmp_path: Path, word_tokenizer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="executor=slurm needs sbatch, which is not here"):
        prepare(corpus(tmp_path), RULES, word_tokenizer, tmp_path / "out", Slurm(partition="cpu"))


def test_a_job_that_sbatch_refuses(tmp_path: Path, word_tokenizer: Path, cluster: Path) -> None:
    """Those before it are submitted, and not again."""
    put(tmp_path / "bin" / "sbatch", f"#!/bin/sh\n[ -e {cluster}/one ] && exit 3\ntouch {cluster}/one; echo job 7\n")
    with pytest.raises(UserError, match="sbatch refuses a job \\(exit code 3, its words are above\\)"):
        prepare(corpus(tmp_path), RULES, word_tokenizer, tmp_path / "out", Slurm(partition="gone"))
    assert (tmp_path / "out/documents/work/submitted.json").read_text() == '["7"]'


def die(data: Any, rank: int, world_size: int) -> None:
    os._exit(9)


def test_a_worker_that_is_killed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a worker was killed, perhaps for memory: the same command goes on"):
        Local(workers=2).run([Stage("dying", [die], 2)], tmp_path)


def test_ray_is_given_the_stages_with_their_resources(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = Ray(workers=7, cpus_per_task=2, mem_per_cpu_gb=3.5).executor(Stage("merge", [print], 30), tmp_path)
    assert (made.tasks, made.workers, made.cpus_per_task, made.mem_per_cpu_gb) == (30, 7, 2, 3.5)
    assert made.logging_dir.path == str(tmp_path / "logs" / "merge")
    assert made.pipeline == [print]


@pytest.mark.skipif(find_spec("ray") is not None, reason="ray is here")
def test_no_ray_here(tmp_path: Path, word_tokenizer: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="executor=ray needs the package ray"):
        prepare(corpus(tmp_path), RULES, word_tokenizer, tmp_path / "out", Ray())
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["local", "slurm", "ray"])
def test_every_option_builds_and_says_what_the_code_says(name: str) -> None:
    node = OmegaConf.load(conf_dir() / "executor" / f"{name}.yaml")
    required = {"partition": "cpu"} if name == "slurm" else {}
    assert all(OmegaConf.is_missing(node, key) for key in required)
    built = from_target(OmegaConf.merge(node, required), "executor", (Executor,))
    assert built == type(built)(**required)
    assert set(node) - {"_target_"} == set(vars(built))


@pytest.mark.parametrize(
    ("made", "wrong", "sentence"),
    [
        (Local, {"workers": 0}, "workers must be >= 1, got 0 (config key executor.workers)"),
        (Slurm, {"partition": ""}, "partition must be text, got '' (config key executor.partition)"),
        (Ray, {"tasks": 0}, "tasks must be >= 1 and <= 30000, got 0 (config key executor.tasks)"),
    ],
)
def test_what_an_executor_refuses(made: type, wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=re.escape(sentence)):
        made(**wrong)
