-- A world's whole clockwork moved on by `:by` milliseconds: see penstock.simulation.repetition.

-- name: lift_instances
-- First half of moving the starts: below zero they meet no start that is still to be moved.
UPDATE instance SET start = -(start + :by);

-- name: shift_instances
-- Second half, and the other times.
UPDATE instance
SET start = -start, "end" = "end" + :by, due_at = due_at + :by, retry_at = retry_at + :by,
    ended_at = ended_at + :by;

-- name: shift_attempts
-- When attempts were ready, handed over, heard of, and ended.
UPDATE attempt
SET ready_at = ready_at + :by, handed_at = handed_at + :by, reported_at = reported_at + :by,
    ended_at = ended_at + :by;

-- name: shift_waits
-- The intervals that are waited for.
UPDATE wait SET first = first + :by, last = last + :by;

-- name: shift_timers
-- What falls due.
UPDATE timer SET due_at = due_at + :by;

-- name: shift_components
-- How far schedules have come; one that has come to its end stays there.
UPDATE component
SET next_start = CASE open WHEN 1 THEN next_start + :by ELSE next_start END,
    health_start = health_start + :by, health_at = health_at + :by;

-- name: shift_events
-- The history.
UPDATE event SET start = start + :by, at = at + :by;
