require "enotify";
notify :loud "mailto:p@example.com";
