"""What every stage of the recognition raises."""

from __future__ import annotations


class NotRecognised(Exception):
    """Why a function is not read as an expression: completes "its function ... "."""

    def __init__(self, why: str):
        self.why = why
        super().__init__(why)
