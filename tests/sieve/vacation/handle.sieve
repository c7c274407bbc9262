require "vacation";
vacation :handle "one" "Away.";
