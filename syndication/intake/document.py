"""What every document form is read into. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from syndication.intake.blocks import Block
from syndication.intake.front import Front


@dataclass(frozen=True, slots=True)
class Read:
    """A document as its form says it; the title stands in `front`, `warnings` are for the person who imports."""

    front: Front
    blocks: tuple[Block, ...]
    warnings: tuple[str, ...] = ()
