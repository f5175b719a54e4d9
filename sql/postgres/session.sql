-- SPDX-License-Identifier: Apache-2.0
-- The session is part of a query's definition: with these settings Postgres prints
-- and computes what the stream holds. In psql: \i sql/postgres/session.sql first.
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';
SET IntervalStyle = 'postgres';
SET extra_float_digits = 1;
SET bytea_output = 'hex';
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET search_path = public;
