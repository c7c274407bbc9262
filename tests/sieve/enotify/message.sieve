require "enotify";
notify :message "Mail has come" "mailto:pager@example.com";
