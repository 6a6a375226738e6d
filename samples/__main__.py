"""`python -m samples OUT_DIR`: build what is missing, one process per Keras library, both at once."""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from samples import build, catalogue

# Cut short as by a broken download: the file below, without its last two fifths.
TRUNCATED = "truncated.h5"
TRUNCATED_FROM = "forecast_conv1d"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m samples", description="Build the sample zoo with real Keras."
    )
    parser.add_argument("out_dir", type=Path, help="folder for the .h5 files; what is there already is kept")
    out_dir: Path = parser.parse_args().out_dir
    out_dir.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    zoo = catalogue.load()
    missing = [sample for sample in zoo.values() if not (out_dir / sample.file_name).exists()]
    failed = _build(missing, out_dir)
    if not failed and not (out_dir / TRUNCATED).exists():
        _truncate(out_dir / zoo[TRUNCATED_FROM].file_name, out_dir / TRUNCATED)
    seconds = time.perf_counter() - started
    print(f"{len(zoo) + 1} samples in {out_dir}: {len(missing)} built in {seconds:.1f} s")
    return 1 if failed else 0


def _build(missing: list[catalogue.Sample], out_dir: Path) -> bool:
    """Run one build process per library that has work; True when one of them failed."""
    with contextlib.ExitStack() as open_files:
        children = []
        for library in catalogue.Library:
            names = [sample.name for sample in missing if sample.library is library]
            if names:
                # TensorFlow tells stderr of its start-up: worth reading only when a build failed.
                log = open_files.enter_context(tempfile.TemporaryFile())
                command = [sys.executable, "-m", "samples.build", library, str(out_dir), *names]
                environment = os.environ | build.quiet_environment()
                children.append((library, subprocess.Popen(command, env=environment, stderr=log), log))
        failed = False
        for library, child, log in children:
            if child.wait() != 0:
                failed = True
                log.seek(0)
                print(log.read().decode(errors="replace"), file=sys.stderr)
                print(f"samples: the {library} build exited with {child.returncode}", file=sys.stderr)
        return failed


def _truncate(whole: Path, cut: Path) -> None:
    data = whole.read_bytes()
    partial = cut.with_name(f".{cut.name}.partial")
    partial.write_bytes(data[: len(data) * 3 // 5])
    partial.replace(cut)
    print(f"{cut.name:28} {cut.stat().st_size:>12,} bytes  cut short on purpose")


if __name__ == "__main__":
    sys.exit(main())
