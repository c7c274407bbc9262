require "vacation";
vacation "Away." "Away.";
