"""The command `keras2torch`: inspect, convert, export, verify, push, layers.

Exit codes: 0 ok, 1 internal, 2 usage, 3 refused file, 4 unsupported model, 5 parity failed.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn

from keras2torch._version import __version__
from keras2torch.declared import About
from keras2torch.errors import Keras2TorchError, ParityFailed, UnsupportedModel, UsageError, one_line
from keras2torch.options import OPTIONS

_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    arguments = _parser().parse_args(argv)
    # Names of layers are in any script; the terminal may know one only.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # A terminated run must clean up behind itself as an interrupted one does.
    signal.signal(signal.SIGTERM, _as_interrupt)
    command: Callable[[argparse.Namespace], int] = arguments.run
    try:
        code = command(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("keras2torch: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; so does what is left of it.
        _discard_output()
        return 0
    except Exception as error:
        if arguments.debug:
            raise
        return _report(error, as_json=arguments.json)
    return code


def _discard_output() -> None:
    """Let what is still to be written to the standard output go nowhere, at exit too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _as_interrupt(_signum: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _report(error: Exception, *, as_json: bool) -> int:
    """Say what went wrong in one line (every reason a line of its own for an unsupported model)."""
    reasons = error.reasons if isinstance(error, UnsupportedModel) else ()
    if isinstance(error, Keras2TorchError):
        code, kind, text = error.exit_code, error.kind, str(error)
    elif isinstance(error, OSError):
        code, kind, text = 1, "os-error", f"{error.filename or 'the standard output'}: {error.strerror}"
    else:
        code, kind = 1, "internal"
        text = f"internal error: {type(error).__name__}: {error} (--debug shows where)"
    lines = [text]
    if isinstance(error, UnsupportedModel) and len(reasons) > 1:
        lines = [f"{error.file}: {reason}" for reason in reasons]
    for line in lines:
        print(f"keras2torch: {one_line(line, 1000)}", file=sys.stderr)
    try:
        if as_json:
            detail = {"kind": kind, "message": text, "reasons": [reason.as_json() for reason in reasons]}
            _print_json({"ok": False, "exit_code": code, "error": detail})
        sys.stdout.flush()
    except OSError:
        _discard_output()
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keras2torch", description="Keras .h5 models as readable, proven PyTorch."
    )
    parser.add_argument("--version", action="version", version=f"keras2torch {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("--json", action="store_true", help="print one JSON document instead of text")
        sub.add_argument("--debug", action="store_true", help="show the traceback of an error")
        sub.set_defaults(run=run)
        return sub

    def options(sub: argparse.ArgumentParser, *abouts: About) -> None:
        for name, (declared, default) in OPTIONS.items():
            if declared.about in abouts:
                declared.add_to(sub, name, default)

    sub = command("inspect", _inspect, "Show what is in a file and what would not convert.")
    sub.add_argument("model", type=Path, metavar="MODEL")
    options(sub, About.FILE, About.CODE)

    sub = command("convert", _convert, "Convert a model into a bundle.")
    sub.add_argument("model", type=Path, metavar="MODEL")
    sub.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="the bundle folder to make")
    _add_formats(sub, "--export")
    sub.add_argument("--verify", action="store_true", help="prove parity as `keras2torch verify` does")
    options(sub, *About)

    sub = command("export", _export, "Export the module of a bundle, read it back, and compare.")
    sub.add_argument("bundle", type=Path, metavar="DIR")
    _add_formats(sub, "--to", required=True)

    sub = command("verify", _verify, "Prove that a bundle computes what its Keras model computes.")
    sub.add_argument("bundle", type=Path, metavar="DIR")
    sub.add_argument(
        "--source", type=Path, required=True, metavar="MODEL", help="the file that was converted"
    )
    sub.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where float32 is judged")
    sub.add_argument(
        "--html", type=Path, metavar="FILE", help="write the verdict as one page too, with a plot"
    )
    sub.add_argument(
        "--gradients", action="store_true", help="compare gradients of inputs and weights too, in float64"
    )
    sub.add_argument(
        "--training",
        action="store_true",
        help="compare one step of gradient descent too: every weight and running statistic",
    )
    options(sub, About.CODE)

    sub = command("push", _push, "Write a bundle in the layout of a model hub, or push it to one.")
    sub.add_argument("bundle", type=Path, metavar="DIR")
    sub.add_argument(
        "--to",
        required=True,
        metavar="DIR|hf://OWNER/NAME",
        help="a folder, or a repository of the Hugging Face hub (which needs huggingface_hub, and is the network)",
    )
    sub.add_argument(
        "--license", metavar="ID", help="as the hub names them, such as apache-2.0 (default: unknown)"
    )
    sub.add_argument("--private", action="store_true", help="if the repository is new, keep it to yourself")

    command("layers", _layers, "List the layer classes: what each becomes, or why it cannot be converted.")
    return parser


def _asked(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of a conversion that the command has and was given."""
    return {name: value for name, value in vars(arguments).items() if name in OPTIONS}


def _add_formats(parser: argparse.ArgumentParser, name: str, *, required: bool = False) -> None:
    parser.add_argument(
        name,
        dest="formats",
        required=required,
        metavar="pt2,onnx",
        type=lambda text: [item.strip() for item in text.split(",")],
        default=[],
        help="write model.pt2 (torch.export), model.onnx, or both, and compare what they compute",
    )


def _print_json(document: Any) -> None:
    print(json.dumps(document, indent=1))


def _inspect(arguments: argparse.Namespace) -> int:
    from keras2torch.inspection import inspect

    found = inspect(arguments.model, **_asked(arguments))
    if arguments.json:
        _print_json(found.as_json())
        return 0
    version = f"Keras {one_line(found.keras_version)}" if found.keras_version else "version not recorded"
    print(
        f"{one_line(found.name)}: {found.generation}, {version}, "
        f"{found.parameters:,} parameters, {found.bytes:,} bytes"
    )
    for port in found.inputs:
        print(f"  input   {one_line(port['name'])}  {port['dtype']}  {_shape(port['shape'])}")
    for port in found.outputs:
        print(f"  output  {port['dtype']}  {_shape(port['shape'])}")
    print("  layers  " + ", ".join(f"{one_line(name)} {count}" for name, count in found.layers.items()))
    for warning in found.warnings:
        print(f"  warning: {one_line(warning)}")
    if found.convertible:
        print("  converts")
    else:
        print(f"  does not convert, {len(found.reasons)} reason(s):")
        for reason in found.reasons:
            print(f"    {reason}")
    return 0


def _shape(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("?" if n is None else str(n) for n in shape) + ")"


def _convert(arguments: argparse.Namespace) -> int:
    from keras2torch.conversion import convert

    conversion = convert(arguments.model, arguments.out, export=arguments.formats, **_asked(arguments))
    if not arguments.verify:
        if arguments.json:
            _print_json({"ok": True, "bundle": str(conversion.path), "manifest": conversion.manifest})
        else:
            _say_converted(conversion.path, conversion.manifest)
        return 0
    if not arguments.json:
        _say_converted(conversion.path, conversion.manifest)
    return _judge(arguments, arguments.out, arguments.model)


def _say_converted(path: Path, manifest: Any) -> None:
    size = sum(file["bytes"] for file in manifest["files"])
    print(
        f"{path}: {manifest['model']['class_name']}, {manifest['parameters']['count']:,} parameters, {size:,} bytes"
    )
    for warning in manifest["warnings"]:
        print(f"  warning: {one_line(warning)}")
    for entry in manifest.get("exports", ()):
        worst = max(case["error"] for case in entry["compared"])
        print(f"  {entry['path']}: the same within {worst:.1e} of scale")


def _export(arguments: argparse.Namespace) -> int:
    from keras2torch.exports import export

    manifest = export(arguments.bundle, arguments.formats)
    if arguments.json:
        _print_json({"ok": True, "bundle": str(arguments.bundle), "manifest": manifest})
    else:
        _say_converted(arguments.bundle, manifest)
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    learning = {"gradients": arguments.gradients, "training": arguments.training}
    return _judge(
        arguments,
        arguments.bundle,
        arguments.source,
        device=arguments.device,
        html=arguments.html,
        **learning,
    )


def _judge(
    arguments: argparse.Namespace,
    bundle: Path,
    source: Path,
    *,
    device: str = "cpu",
    html: Path | None = None,
    **learning: bool,
) -> int:
    from keras2torch.parity.page import write_html
    from keras2torch.parity.verify import verify

    if html is not None and not html.absolute().parent.is_dir():
        raise UsageError("no such folder to write a page in", file=str(html))
    report = verify(
        bundle, source, device=device, layers=arguments.layers, replace=arguments.replace, **learning
    )
    if html is not None:
        write_html(report, bundle.absolute().name, html)
    if arguments.json:
        _print_json({"ok": report.passed, "bundle": str(bundle), "parity": report.as_json()})
    else:
        _show(report)
    return 0 if report.passed else ParityFailed.exit_code


def _show(report: Any) -> None:
    from rich.console import Console

    from keras2torch.parity.terminal import print_report

    print_report(report, Console())


def _push(arguments: argparse.Namespace) -> int:
    from keras2torch.hub import push

    place = push(arguments.bundle, arguments.to, license_id=arguments.license, private=arguments.private)
    if arguments.json:
        _print_json({"ok": True, "place": place})
    else:
        print(place)
    return 0


def _layers(arguments: argparse.Namespace) -> int:
    from keras2torch.layers._table import entries
    from keras2torch.operations._table import rows as operations

    rows = entries()
    if arguments.json:
        _print_json([*(row.as_json() for row in rows), *operations()])
        return 0
    width = max(len(row.name) for row in rows)
    for family, members in groupby(rows, key=lambda row: row.family):
        print(family)
        for row in members:
            names = row.classes[1:]
            also = (
                f" Also {', '.join(names) if len(names) < 20 else f'{len(names)} others'}." if names else ""
            )
            text = row.torch if row.reason is None else f"cannot be converted: {row.reason}."
            print(f"  {row.name:<{width}}  {text}{also} [{row.since}]")
    converted = sum(row.reason is None for row in rows)
    print(f"{converted} layer classes convert, {len(rows) - converted} cannot")
    return 0


if __name__ == "__main__":
    sys.exit(main())
