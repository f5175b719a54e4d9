# SPDX-License-Identifier: Apache-2.0
import pytest


@pytest.fixture(scope="session", autouse=True)
def _servers(stack):
    """Every test of this folder may use the test instance by its SLUICE_* variables."""
