require "enotify";
notify "mailto:pager@example.com";
