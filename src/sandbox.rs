//! A FreeScout imitation that behaves as the real one does.
