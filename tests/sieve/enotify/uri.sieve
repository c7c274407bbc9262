require "enotify";
notify "mailto:pager@example.com?subject=From%20the%20URI&body=the%20body";
