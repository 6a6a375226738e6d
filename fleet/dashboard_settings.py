"""What an operator may set of the dashboard: the `FLEET_DASHBOARD_*` among the settings."""

from collections.abc import Iterator

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from dashboard.config import Config, Oidc, is_private
from db.roles import Role


class DashboardSettings(BaseSettings):
    """The dashboard's part of `fleet.settings.Settings`."""

    dashboard_host: str = Field(default="127.0.0.1", description="address that the dashboard listens on")
    dashboard_port: int = Field(default=8080, ge=0, le=65535)
    dashboard_root_path: str = Field(default="", description="path under which a proxy shows it, as /fleet")
    dashboard_hosts: str = Field(
        default="", description="names by which it is called, separated by commas; unset: any"
    )
    dashboard_proxies: str = Field(
        default="", description="addresses of proxies whose X-Forwarded-For and -Proto are believed"
    )
    dashboard_idle_hours: float = Field(
        default=8, gt=0, description="a browser not seen for so long signs in again"
    )
    dashboard_session_hours: float = Field(
        default=168, gt=0, description="and one that signed in so long ago"
    )
    dashboard_link_seconds: int = Field(
        default=0,
        ge=0,
        le=604800,
        description="how long the bucket's own addresses last that browsers get for files; 0: all files come through"
        " the dashboard (browsers need not reach the bucket)",
    )
    dashboard_dest: str | None = Field(
        default=None,
        description="where what is handed in on the pages goes; unset: where the last batch went",
    )
    dashboard_upload_bytes: int = Field(
        default=8 << 30,
        ge=1,
        description="how large the files that somebody hands in at once may be together",
    )
    dashboard_sources: str = Field(
        default="s3://",
        description="beginnings of the addresses that may be named as sources there, separated by commas",
    )
    dashboard_oidc_issuer: str | None = Field(
        default=None,
        description="OpenID Connect: address of the provider of identities; unset: passwords alone",
    )
    dashboard_oidc_client_id: str | None = Field(default=None)
    dashboard_oidc_client_secret: SecretStr | None = Field(default=None)
    dashboard_oidc_role_claim: str = Field(
        default="groups", description="the claim that tells what somebody may do"
    )
    dashboard_oidc_roles: str = Field(
        default="",
        description="what its values mean, as fleet-admins=admin,staff=viewer; who has none of them is not let in",
    )

    @property
    def dashboard(self) -> Config:
        """What the dashboard is told."""
        return Config(
            host=self.dashboard_host,
            port=self.dashboard_port,
            root_path=self.dashboard_root_path,
            hosts=listed(self.dashboard_hosts),
            proxies=self.dashboard_proxies,
            idle_seconds=self.dashboard_idle_hours * 3600,
            session_seconds=self.dashboard_session_hours * 3600,
            link_seconds=self.dashboard_link_seconds,
            dest=self.dashboard_dest,
            upload_bytes=self.dashboard_upload_bytes,
            sources=listed(self.dashboard_sources),
            oidc=self._oidc,
        )

    @property
    def _oidc(self) -> Oidc | None:
        secret = self.dashboard_oidc_client_secret
        if self.dashboard_oidc_issuer is None or self.dashboard_oidc_client_id is None or secret is None:
            return None
        return Oidc(
            issuer=self.dashboard_oidc_issuer,
            client_id=self.dashboard_oidc_client_id,
            client_secret=secret.get_secret_value(),
            role_claim=self.dashboard_oidc_role_claim,
            roles={value: Role(role) for value, role in self._oidc_roles},
        )

    @property
    def _oidc_roles(self) -> list[tuple[str, str]]:
        """Values of the claim and what each means, as they are written."""
        pairs = (each.rpartition("=") for each in listed(self.dashboard_oidc_roles))
        return [(value, role) for value, _, role in pairs]

    def dashboard_contradictions(self) -> Iterator[str]:
        """What does not go together, a line each."""
        issuer = self.dashboard_oidc_issuer
        if issuer is None:
            return
        if not is_private(issuer):
            yield "FLEET_DASHBOARD_OIDC_ISSUER must begin with https://, unless it is on this machine"
        if self.dashboard_oidc_client_id is None or self.dashboard_oidc_client_secret is None:
            yield (
                "FLEET_DASHBOARD_OIDC_ISSUER needs FLEET_DASHBOARD_OIDC_CLIENT_ID and"
                " FLEET_DASHBOARD_OIDC_CLIENT_SECRET"
            )
        pairs = self._oidc_roles
        if not pairs or not all(value and role in set(Role) for value, role in pairs):
            yield (
                "FLEET_DASHBOARD_OIDC_ROLES must give values of the claim one of the roles"
                f" {', '.join(Role)}, as fleet-admins=admin,staff=viewer"
            )


def listed(text: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(name for name in map(str.strip, text.split(",")) if name)
