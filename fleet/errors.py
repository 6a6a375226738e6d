"""Every way the operator's command can end badly; each is one line on stderr and an exit code."""


class FleetError(Exception):
    """Something the fleet needs does not work: database, broker, storage, disk."""

    exit_code = 1


class UsageError(FleetError):
    """The command line or the settings ask for something impossible."""

    exit_code = 2
