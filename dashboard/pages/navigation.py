"""The pages by name, in the order in which they stand at the side."""

from dataclasses import dataclass

from db.roles import Role


@dataclass(frozen=True)
class Entry:
    """One page of the navigation."""

    path: str
    title: str
    icon: str
    needs: Role = Role.VIEWER
    """Who is shown it."""

    def holds(self, path: str) -> bool:
        """Whether `path` is this page or lies below it."""
        return path == self.path or (self.path != "/" and path.startswith(f"{self.path}/"))


ENTRIES = (
    Entry("/", "Overview", "overview"),
    Entry("/batches", "Batches", "batches"),
    Entry("/jobs", "Jobs", "jobs"),
    Entry("/failures", "Failures", "failures"),
    Entry("/coverage", "Coverage", "coverage"),
    Entry("/schedules", "Schedules", "schedules"),
    Entry("/new", "New", "new", needs=Role.OPERATOR),
    Entry("/workers", "Workers", "workers"),
    Entry("/audit", "Audit", "audit"),
    Entry("/people", "People", "people", needs=Role.ADMIN),
)
