"""The settings of the HTTP door; where it listens is static, its limits are read again at a reload."""

from datetime import timedelta

from pydantic import Field

from validatord.settings_types import Duration, Networks, Section


class WebSettings(Section):
    """The HTTP door: API and console."""

    is_enabled: bool = Field(default=True, description="Open the HTTP door at all.")
    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        max_length=255,
        description="Address to listen on. Beyond this machine only behind a proxy that speaks TLS.",
    )
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one and logs it.")
    max_connections: int = Field(default=512, ge=1, le=100_000, description="Most connections at the same time.")
    max_connections_per_address: int = Field(
        default=64, ge=1, description="Most connections of one address; loopback and trusted proxies are not counted."
    )
    trusted_proxies: Networks = Field(
        default=(), description="Networks whose X-Forwarded-For is believed; loopback must be named, too."
    )
    database_connections: int = Field(
        default=8, ge=1, le=200, description="Most connections to PostgreSQL for the door, beside those for verifying."
    )
    header_timeout: Duration = Field(
        default=timedelta(seconds=10), description="Until a request's headers must be complete."
    )
    idle_timeout: Duration = Field(default=timedelta(seconds=75), description="How long a connection may say nothing.")
    stall_timeout: Duration = Field(
        default=timedelta(seconds=20), description="A body that moves slower than least_rate for so long is cut."
    )
    least_rate: int = Field(default=1000, ge=0, description="Bytes a second a body must move at least.")
    max_body_bytes: int = Field(
        default=16_777_216, ge=1000, le=1_073_741_824, description="Largest JSON body, unpacked; uploads are streams."
    )
    max_upload_rows: int = Field(default=10_000_000, ge=1, description="Most rows of one upload.")
    max_items: int = Field(default=10_000, ge=1, le=10_000, description="Most addresses of one JSON body.")
    requests_per_second: float = Field(
        default=200, ge=0, description="Requests of one key a second, ten times as many at once; 0: no limit."
    )
    failures_per_minute: int = Field(
        default=30, ge=0, description="Refused keys of one address a minute before it has to wait; 0: no limit."
    )
    check_budget: Duration = Field(
        default=timedelta(seconds=12), description="How long a single check waits for its answer before it says 202."
    )
    max_checks: int = Field(default=200, ge=1, description="Single checks that may wait at the same time.")
