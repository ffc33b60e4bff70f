"""English first names that are hardly anything else.

Of the commonest in the lists of the United States' social security administration; without those
that are words, towns, brands or surnames as often: Grace, Austin, Scott, Jordan.
"""

NAMES = """
Aaron Abigail Adam Adrian Alan Albert Alec Alejandro Alex Alexander Alexandra Alexandria Alexis
Alfred Alice Alicia Alison Allison Alyssa Amanda Amy Ana Andrea Andrew Angela Angelica Anita Ann
Anna Anne Annette Anthony Antonio Ariana Ariel Arthur Ashley Audrey Barbara Beatrice Becky Belinda
Benjamin Bernard Beth Bethany Betty Beverly Billy Bobby Bonnie Brad Bradley Brandi Brandon Brandy
Brenda Brendan Brent Brett Brian Briana Brianna Bridget Brittany Brittney Bruce Bryan Caitlin Calvin
Cameron Candice Carl Carla Carlos Carol Caroline Carolyn Carrie Casey Cassandra Cassidy Cassie
Catherine Cathy Cesar Chad Charlene Charles Chelsea Cheryl Chris Christina Christine Christopher
Christy Cindy Claire Claudia Clayton Cody Colin Colleen Connie Connor Corey Cory Courtney Craig
Cristina Curtis Cynthia Damon Dan Dana Daniel Danielle Danny Darlene Darrell Darren Darryl Dave
David Deanna Deborah Debra Denise Dennis Derek Derrick Desiree Devin Devon Diana Diane Dominic
Donald Donna Dorothy Douglas Duane Dustin Dylan Eddie Edgar Eduardo Edward Edwin Eileen Elaine
Elijah Elizabeth Ellen Emily Emma Eric Erica Erik Erika Erin Ernest Ethan Eugene Evan Evelyn Felicia
Fernando Frances Francisco Franklin Fred Gabriel Gabriela Gabriella Gabrielle Garrett Gary Geoffrey
George Gerald Gina Glen Glenda Glenn Gloria Gordon Greg Gregory Hailey Haley Hannah Harold Harry
Heather Hector Heidi Helen Henry Herbert Howard Ian Isaac Isabel Isabella Isaiah Jack Jaclyn Jacob
Jacqueline Jaime Jake James Jamie Jane Janet Janice Jared Jasmin Jasmine Jason Javier Jeanette Jeff
Jeffery Jeffrey Jenna Jennifer Jenny Jeremiah Jeremy Jermaine Jerome Jerry Jesse Jessica Jill
Jillian Jim Jimmy Joan Joann Joanna Joanne Jocelyn Jodi Joe Joel John Johnathan Johnny Jon Jonathan
Jonathon Jorge Jose Joseph Joshua Joyce Juan Juanita Judith Judy Julia Julian Julie Justin Kaitlin
Kaitlyn Kara Karen Karina Karl Karla Kate Katelyn Katherine Kathleen Kathryn Kathy Katie Katrina
Kayla Kaylee Keith Kelli Kellie Kelly Kelsey Kendra Kenneth Kerri Kerry Kevin Kiara Kim Kimberly
Kirk Kirsten Kristen Kristi Kristie Kristin Kristina Kristine Kristopher Kristy Kurt Kyle Lacey
Larry Latoya Laura Lauren Laurie Lawrence Leah Leon Leonard Leslie Linda Lindsay Lindsey Lisa Lonnie
Loretta Lori Lorraine Louis Lucas Luis Luke Lydia Lynn Mackenzie Madeline Makayla Malik Mallory
Mandy Manuel Marc Marco Marcus Margaret Maria Mariah Marie Marilyn Mario Marisa Marissa Mark Martha
Martin Marvin Mary Mathew Matthew Maureen Maurice Meagan Megan Meghan Melanie Melinda Melissa Melvin
Meredith Michael Michaela Micheal Michele Michelle Miguel Mike Miranda Mitchell Molly Monica Monique
Morgan Nancy Natalie Natasha Nathan Nathaniel Nicholas Nichole Nicolas Nicole Nina Noah Norma Norman
Olivia Omar Pamela Patricia Patrick Patty Paul Paula Pedro Peggy Peter Philip Phillip Phyllis
Rachael Rachel Ralph Randall Randy Raymond Rebecca Rebekah Regina Renee Rhonda Ricardo Richard Ricky
Robert Roberta Roberto Robin Rodney Roger Ronald Ronnie Russell Ruth Ryan Sabrina Sally Samantha
Samuel Sandra Sara Sarah Sean Sergio Seth Shane Shannon Sharon Shaun Shawn Sheena Sheila Shelby
Shelia Shelley Shelly Sheri Sherri Sherry Shirley Sonia Sonya Sophia Spencer Stacey Stacie Stacy
Stefanie Stephanie Stephen Steve Steven Stuart Susan Suzanne Sylvia Tamara Tami Tammy Tanner Tanya
Tara Tasha Taylor Ted Teresa Terrance Terri Terry Theodore Theresa Thomas Tiffany Tim Timothy Tina
Todd Tom Tommy Toni Tony Tonya Tracey Traci Tracie Tracy Travis Trevor Tricia Tristan Tyler Tyrone
Valerie Vanessa Vernon Veronica Vicki Vickie Victor Vincent Wanda Wayne Wendy Wesley Whitney William
Willie Xavier Yolanda Yvette Yvonne Zachary Zoe
"""
FIRST_NAMES = frozenset(NAMES.split())
