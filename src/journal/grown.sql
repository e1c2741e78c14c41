-- Version 4: records whose conversation got entries of a newer archive after it had been done.
ALTER TABLE records ADD COLUMN grown INTEGER NOT NULL DEFAULT 0;  -- 1: its threads stand in the order in which they were sent
