require "vacation";
vacation :from "Bob Example <bob+away@example.net>" "Away.";
