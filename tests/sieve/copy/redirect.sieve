require "copy";
redirect :copy "carl@example.org";
