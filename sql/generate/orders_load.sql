-- SPDX-License-Identifier: Apache-2.0
-- The newest rows of earlier runs, so that they too are updated and deleted.
SELECT id FROM (SELECT id FROM inventory.orders ORDER BY id DESC LIMIT 10000) AS newest
ORDER BY id
