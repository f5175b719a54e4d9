-- SPDX-License-Identifier: Apache-2.0
DELETE FROM inventory.orders WHERE id = ANY ($1::text[]::int[])
