require "vacation-seconds";
vacation :days 1 :seconds 100 "Away.";
