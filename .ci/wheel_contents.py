"""What a wheel and a source distribution must and must not hold: python .ci/wheel_contents.py WHEEL SDIST"""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile

IN_WHEEL = r"fewbits/(\w+/)*(\w+\.pyi?)?|fewbits/bench/page\.(css|js)|fewbits/py\.typed"
IN_WHEEL += r"|fewbits/_core\.[\w.-]+\.(so|pyd)|fewbits-[\d.]+\.dist-info/.*"
MUST = (
    r"fewbits/py\.typed",
    r"fewbits/_core\.pyi",
    r"fewbits/_core\..*\.(so|pyd)",
    r".*/licenses/LICENSE",
    r".*/RECORD",
)
IN_SDIST = ("pyproject.toml", "CMakeLists.txt", "cpp/isa.cmake", "python/fewbits/py.typed", "LICENSE", "README.md")
NOT_IN_SDIST = r"(bench|build|\.ci|\.github)/|.*\.(so|pyc)"


def check_wheel(path: str) -> None:
    names = zipfile.ZipFile(path).namelist()
    others = [name for name in names if not re.fullmatch(IN_WHEEL, name)]
    missing = [pattern for pattern in MUST if not any(re.fullmatch(pattern, name) for name in names)]
    assert not others, f"{path}: unexpected {others}"
    assert not missing, f"{path}: nothing like {missing}"
    with zipfile.ZipFile(path) as wheel:
        metadata = wheel.read(next(name for name in names if name.endswith("/METADATA"))).decode()
        tags = wheel.read(next(name for name in names if name.endswith("/WHEEL"))).decode()
    assert "License-Expression: Apache-2.0" in metadata, metadata[:2000]
    assert "Root-Is-Purelib: false" in tags, tags
    print(path, f"{len(names)} files,", *re.findall(r"Tag: (\S+)", tags))


def check_sdist(path: str) -> None:
    with tarfile.open(path) as archive:
        names = [member.name.partition("/")[2] for member in archive if member.isfile()]
        large = [member.name for member in archive if member.size > 1 << 20]
    missing = set(IN_SDIST) - set(names)
    assert not missing, f"{path}: lacks {missing}"
    unwanted = [name for name in names if re.match(NOT_IN_SDIST, name)]
    assert not unwanted, f"{path}: unexpected {unwanted}"
    assert not large, f"{path}: files above 1 MiB: {large}"
    print(path, f"{len(names)} files")


if __name__ == "__main__":
    check_wheel(sys.argv[1])
    check_sdist(sys.argv[2])
