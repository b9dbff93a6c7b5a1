"""What a check of videos found, as text for people and JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from slowfast.data.findings import FAULTS, REMARKS, Finding
from slowfast.data.inspection import Facts

NAME = "check-data"  # of the files written, before their ending


@dataclass
class Report:
    """What is to be told of a check.

    Attributes:
        rows: of each split's list.
        facts: of each video, by path.
        found: all findings.
        notes: lines for the end of the report.
    """

    rows: Mapping[str, int]
    facts: Mapping[str, Facts]
    found: list[Finding]
    notes: list[str] = field(default_factory=list)

    def as_text(self, *, details: int | None = None) -> str:
        """One paragraph a kind of finding, with at most ``details`` lines each."""
        good = [each for each in self.facts.values() if not each.fault]
        hours = sum(each.duration for each in good) / 3600
        gigabytes = sum(each.size for each in good) / 1e9
        lines = [
            f"{len(self.facts)} videos ({', '.join(f'{s} {n}' for s, n in self.rows.items())}), "
            f"{hours:.1f} hours, {gigabytes:.2f} GB; {len(self.facts) - len(good)} cannot be used"
        ]
        for kind, title in {**FAULTS, **REMARKS}.items():
            found = [finding for finding in self.found if finding.kind == kind]
            if found:
                lines += ["", f"{len(found)} {title}:" if kind != "classes" else f"{title}:"]
                lines += [f"  {finding.what}" for finding in found[:details]]
                if details is not None and len(found) > details:
                    lines.append(f"  ... and {len(found) - details} more")
        if not self.found:
            lines.append("nothing to complain about")
        return "\n".join([*lines, *(["", *self.notes] if self.notes else [])])

    def as_dict(self) -> dict[str, object]:
        kinds = {**FAULTS, **REMARKS}
        return {
            "rows": dict(self.rows),
            "videos": len(self.facts),
            "unusable": sum(bool(each.fault) for each in self.facts.values()),
            "counts": {kind: sum(f.kind == kind for f in self.found) for kind in kinds},
            "findings": [asdict(finding) for finding in self.found],
            "notes": self.notes,
        }


def write_report(report: Report, folder: Path) -> None:
    """Write ``check-data.txt`` and ``check-data.json``."""
    text = report.as_text().encode("utf-8", "surrogateescape")
    (folder / f"{NAME}.txt").write_bytes(text + b"\n")
    (folder / f"{NAME}.json").write_text(json.dumps(report.as_dict(), indent=1) + "\n")
