-- Version 2: where each record stands in the archive's index, so that a later run need not read what is done.
ALTER TABLE records ADD COLUMN seat_index INTEGER;  -- the index's own number; another index, another number
ALTER TABLE records ADD COLUMN seat INTEGER;        -- the place in that index
ALTER TABLE records ADD COLUMN seat_opened INTEGER; -- when the archive says that it was opened, rounded down; NULL: it does not
CREATE INDEX records_done_by_seat ON records (seat_index, seat, seat_opened) WHERE state = 'done' AND seat IS NOT NULL;
