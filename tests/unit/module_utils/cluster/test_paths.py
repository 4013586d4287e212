"""The layout of the state folder."""

from __future__ import annotations

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.paths import StatePaths


def test_all_paths_are_below_the_folder_and_travel_by_name() -> None:
    paths = StatePaths("/srv/shop")
    assert paths.as_dict() == {
        "secrets_dir": "/srv/shop/secrets",
        "dashboard_password": "/srv/shop/secrets/dashboard_password",
        "portainer_password": "/srv/shop/secrets/portainer_password",
        "tier_secrets_dir": "/srv/shop/secrets/tiers",
        "secrets_key_file": "/srv/shop/secrets/key",
        "balancer_config": "/srv/shop/balancer",
        "dynamic_config": "/srv/shop/balancer/dynamic",
        "routes_file": "/srv/shop/balancer/dynamic/tiers.yml",
        "console_dir": "/srv/shop/console",
        "log_dir": "/srv/shop/log",
        "access_log": "/srv/shop/log/access.log",
        "build_dir": "/srv/shop/build",
        "evidence_dir": "/srv/shop/evidence",
        "declaration": "/srv/shop/declaration.json",
        "overrides": "/srv/shop/overrides.json",
    }
    assert paths.console_password("alice") == "/srv/shop/secrets/console_alice"
    properties = {name for name in dir(StatePaths) if isinstance(getattr(StatePaths, name), property)}
    assert set(paths.as_dict()) == properties
