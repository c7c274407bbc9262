require "enotify";
notify :importance "4" "mailto:p@example.com";
