require "enotify";
notify :importance 1 "mailto:p@example.com";
