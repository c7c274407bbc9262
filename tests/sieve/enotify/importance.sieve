require "enotify";
notify :importance "1" :options ["x=y"] :from "bob@example.net" :message "m" "mailto:pager@example.com";
notify :importance "3" "mailto:p@example.com";
